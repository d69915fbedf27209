// A reload, on SIGHUP, is atomic: settings and model are read, verified and warm beside the served model before one
// swap (ServerState.replace) changes what requests get that begin from then on. Requests that began earlier finish with
// the model that they began with, which then ends. If anything is wrong, nothing changes, and the log and the status
// say what. Signals during a reload cause one more reload after it.

import CMalloc
import Foundation
import Logging
import PixelCNNScheduler
import PixelCNNServer
import Support

actor Reloader {
    private let loader: ModelLoader
    private let state: ServerState
    /// Reads all settings again: the command line and the environment as they were, the file as it is.
    private let readSettings: @Sendable () async throws -> Settings
    /// Those that the daemon started with.
    private let firstSettings: Settings
    private var current: LoadedModel
    /// The model that was served before, until its last request has ended: at most two are in memory.
    private var previous: (scheduler: Scheduler, end: Task<Void, Never>)?
    private let address: String

    init(
        _ current: LoadedModel, state: ServerState, loader: ModelLoader, settings: Settings,
        address: String, readSettings: @Sendable @escaping () async throws -> Settings
    ) {
        self.current = current
        self.state = state
        self.loader = loader
        firstSettings = settings
        self.address = address
        self.readSettings = readSettings
    }

    /// What is served, and where.
    var statusLine: String { "Serving on \(address) with \(current.words)" }

    /// Reloads at each signal, until the task is cancelled.
    func run(_ signals: AsyncStream<Void>) async {
        for await _ in signals { await reload() }
    }

    private func reload() async {
        if let previous {
            loader.reporter.show(
                headline: "\(statusLine); a reload waits for requests on the previous model")
            await previous.end.value
        }
        guard state.currentPhase != .draining else { return }
        loader.logger.info("Reloading")
        loader.reporter.announce(
            ["RELOADING=1", "MONOTONIC_USEC=\(ServiceManager.monotonicMicroseconds)"],
            headline: "\(statusLine); reloading")
        do {
            let settings = try await readSettings()
            let next = try await loader.load(settings)
            guard state.currentPhase != .draining else { return await loader.end(next.scheduler) }
            swap(to: next)
            noteUnchanged(settings)
            end("reloaded \(Self.time)", isDone: true)
        } catch {
            let reason = (error as? Failure)?.message ?? "\(error)"
            loader.logger.error("The reload failed, and nothing has changed: \(reason)")
            end("reload failed \(Self.time): \(reason)", isDone: false)
        }
    }

    private func swap(to next: LoadedModel) {
        let previous = current
        let retired = state.replace(with: next.served)
        current = next
        loader.logger.info("Reloaded: \(next.words); before: \(previous.words)")
        let end = Task {
            await state.waitUntilUnused(retired)
            await loader.end(previous.scheduler)
            state.forget(retired)
            self.previous = nil
            trim()
            loader.logger.debug("The previous model has ended", metadata: ["model": "\(retired.model.sha256)"])
        }
        self.previous = (previous.scheduler, end)
    }

    /// Returns to the kernel what the allocator keeps of a model that has gone: every load has a thread of its own, and
    /// with it a part of the heap. A moment later, when the last references are gone.
    private nonisolated func trim() {
        Task {
            try await Task.sleep(for: .seconds(1))
            malloc_trim(0)
        }
    }

    /// Logs the settings that have changed and that only a start reads.
    private func noteUnchanged(_ settings: Settings) {
        let changed = settings.restartSettings(changedFrom: firstSettings)
        guard !changed.isEmpty else { return }
        loader.logger.notice("A reload does not change \(changed.joined(separator: ", ")); a restart does")
    }

    private func end(_ result: String, isDone: Bool) {
        loader.metrics.reloadEnded(isDone: isDone)
        // A drain that has begun meanwhile has the last word.
        guard state.currentPhase != .draining else { return }
        loader.reporter.announce(["READY=1"], headline: "\(statusLine); \(result)")
    }

    /// Ends all compute threads; jobs that have not ended fail.
    func stop() async {
        if let previous { await loader.end(previous.scheduler) }
        await loader.end(current.scheduler)
    }

    /// The time of day.
    private static var time: String {
        var (now, parts) = (time_t(), tm())
        Foundation.time(&now)
        localtime_r(&now, &parts)
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }
}
