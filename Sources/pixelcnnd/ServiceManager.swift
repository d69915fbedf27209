// What systemd gets to know: the state with each change of it, STATUS= at most once a second, WATCHDOG=1 while compute
// makes progress, and more time for a drain that makes progress. A thread of its own sends it, so that neither a model
// that loads nor a busy pool delays a sign of life. Without a service manager (no NOTIFY_SOCKET) nothing is sent.

import CSystemd
import Foundation
import Logging
import PixelCNNScheduler
import PixelCNNServer
import Synchronization

/// The protocol with systemd: sd_notify(3), sd_watchdog_enabled(3).
enum ServiceManager {
    /// Sends lines such as `READY=1`. A failure to send them is no reason to stop serving.
    static func notify(_ lines: [String]) {
        _ = sd_notify(0, lines.joined(separator: "\n"))
    }

    /// Now, as MONOTONIC_USEC= beside RELOADING=1 has it.
    static var monotonicMicroseconds: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
    }

    /// How long the service manager waits for a sign of life before it restarts us; nil where it does not watch.
    static var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        return sd_watchdog_enabled(0, &microseconds) > 0 ? .microseconds(Int64(clamping: microseconds)) : nil
    }
}

/// Keeps the service manager informed. A worker without images makes progress; one that has had images for the
/// watchdog's interval without a step does not, and then the watchdog is not fed, so that the service manager restarts
/// the daemon.
final class ServiceReporter: Sendable {
    private struct State {
        var headline: String
        /// One, and during a reload another.
        var schedulers: [Scheduler] = []
        var served: ServerState?
        /// What the last tick of a drain has seen.
        var progress: UInt64?
        var lastStatus = ""
        var isStuck = false
        var isStopped = false
    }

    /// How much time a tick with progress requests; the ticks are a second apart.
    private static let extensionMicroseconds = 15_000_000

    private let watchdog: Duration?
    private let logger: Logger
    private let state: Mutex<State>
    private let wakeUp = DispatchSemaphore(value: 0)

    /// Begins to report; a status line begins with `headline`.
    init(headline: String, logger: Logger) {
        watchdog = ServiceManager.watchdogInterval
        self.logger = logger
        state = Mutex(State(headline: headline))
    }

    /// Starts the thread, where there is somebody to report to.
    func start(environment: [String: String]) {
        guard environment["NOTIFY_SOCKET"] != nil else { return }
        // Often enough that a late tick costs nothing.
        let period = min(.seconds(1), watchdog.map { $0 / 4 } ?? .seconds(1))
        let thread = Thread { [self] in
            repeat { tick() } while wait(period)
        }
        thread.name = "reporter"
        thread.start()
    }

    /// From now on these threads must make progress, too.
    func watch(_ scheduler: Scheduler) {
        state.withLock { $0.schedulers.append(scheduler) }
    }

    /// These threads have ended.
    func unwatch(_ scheduler: Scheduler) {
        state.withLock { $0.schedulers.removeAll { $0 === scheduler } }
    }

    /// Counts come from here from now on.
    func attach(_ served: ServerState) {
        state.withLock { $0.served = served }
    }

    /// Changes the status line with the next tick.
    func show(headline: String) {
        state.withLock { $0.headline = headline }
    }

    /// Announces a change of state at once.
    func announce(_ lines: [String], headline: String) {
        let status = state.withLock { state in
            // The service manager reads lines.
            state.headline = String(headline.map { $0.isNewline ? " " : $0 })
            state.lastStatus = Self.status(state)
            return state.lastStatus
        }
        ServiceManager.notify(lines + ["STATUS=\(status)"])
    }

    /// Ends the thread.
    func stop() {
        state.withLock { $0.isStopped = true }
        wakeUp.signal()
    }

    private func wait(_ period: Duration) -> Bool {
        let milliseconds = Int((period / .milliseconds(1)).rounded(.up))
        _ = wakeUp.wait(timeout: .now() + .milliseconds(milliseconds))
        return state.withLock { !$0.isStopped }
    }

    private func tick() {
        let schedulers = state.withLock { $0.schedulers }
        var lines: [String] = []
        if let watchdog {
            let silence = schedulers.map(\.longestSilence).max() ?? .zero
            if silence < watchdog { lines.append("WATCHDOG=1") }
            note(silence: silence, isStuck: silence >= watchdog)
        }
        let status = state.withLock { state -> String? in
            let status = Self.status(state)
            guard status != state.lastStatus else { return nil }
            state.lastStatus = status
            return status
        }
        if let status { lines.append("STATUS=\(status)") }
        if drainMadeProgress() { lines.append("EXTEND_TIMEOUT_USEC=\(Self.extensionMicroseconds)") }
        if !lines.isEmpty { ServiceManager.notify(lines) }
    }

    /// Whether anything came to an end since the last tick of a drain.
    private func drainMadeProgress() -> Bool {
        state.withLock { state in
            guard let served = state.served, served.currentPhase == .draining else { return false }
            let progress = served.progress
            defer { state.progress = progress }
            return state.progress != nil && state.progress != progress
        }
    }

    /// Logs once when compute stops moving, and once when it moves again.
    private func note(silence: Duration, isStuck: Bool) {
        let changed = state.withLock { state in
            defer { state.isStuck = isStuck }
            return state.isStuck != isStuck
        }
        guard changed else { return }
        if isStuck {
            let seconds = silence.components.seconds
            logger.critical(
                "A compute thread has images and has made no step for \(seconds) s; the watchdog is not fed")
        } else {
            logger.notice("Compute makes progress again")
        }
    }

    private static func status(_ state: State) -> String {
        guard let counts = state.served?.status else { return state.headline }
        return
            "\(state.headline): \(counts.imagesInFlight) images in flight, \(counts.imagesQueued) queued, "
            + "\(counts.imagesCompleted) done"
    }
}
