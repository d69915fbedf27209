// SIGHUP: loads what the settings say by now beside the served model, and serves it instead to every request that
// begins from then on; those that have begun end on the model that they began with, which then ends too. Where anything
// is wrong nothing changes, and the log and the status say what. Signals during a reload make one more, after it.

import CMalloc
import Foundation
import Logging
import PixelCNNScheduler
import PixelCNNServer
import Support
import UnixSignals

actor Reloader {
    private let loader: ModelLoader
    private let state: ServerState
    /// Reads all settings again: the command line and the environment as they were, the file as it is.
    private let readSettings: @Sendable () throws -> Settings
    /// With what the daemon started.
    private let firstSettings: Settings
    private var current: LoadedModel
    /// The model that was served before, until its last request has ended: at most two are in memory.
    private var previous: (scheduler: Scheduler, end: Task<Void, Never>)?
    private let address: String

    init(
        _ current: LoadedModel, state: ServerState, loader: ModelLoader, settings: Settings,
        address: String, readSettings: @Sendable @escaping () throws -> Settings
    ) {
        (self.current, self.state, self.loader, self.firstSettings) = (current, state, loader, settings)
        (self.address, self.readSettings) = (address, readSettings)
    }

    /// What is served, and where.
    var statusLine: String { "Serving on \(address) with \(current.words)" }

    /// Reloads at each signal, until the task is cancelled.
    func run(_ signals: UnixSignalsSequence) async {
        let (requests, request) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let forward = Task {
            for await _ in signals { request.yield() }
        }
        defer { forward.cancel() }
        for await _ in requests { await reload() }
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
            let settings = try readSettings()
            let next = try await loader.load(settings)
            guard state.currentPhase != .draining else { return await loader.end(next.scheduler) }
            swap(to: next)
            tellWhatStays(settings)
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

    /// Gives back to the kernel what the allocator keeps of a model that has gone: of each thread that has loaded one,
    /// since every load has its own. A moment later, when the last references are gone.
    private nonisolated func trim() {
        Task {
            try await Task.sleep(for: .seconds(1))
            malloc_trim(0)
        }
    }

    /// Settings that only a start reads.
    private func tellWhatStays(_ settings: Settings) {
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

    /// Ends all compute threads; what has not ended fails.
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
