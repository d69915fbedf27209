// What systemd gets to know: the state with each change of it, STATUS= at most once a second, WATCHDOG=1 while compute
// makes progress and Swift's pool and every event loop take up work, and more time for a drain that makes progress. A
// thread of its own sends all of it, so that neither a model that loads nor a busy pool delays a sign of life, and a
// service manager that does not read holds up nobody else. Without one (no NOTIFY_SOCKET) nothing is sent.

import CSystemd
import Foundation
import Logging
import PixelCNNScheduler
import PixelCNNServer
import Support
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
/// watchdog's interval without a step does not. Where that is so, or the pool or an event loop has not done a piece of
/// work for as long, the watchdog is not fed, so that the service manager restarts the daemon.
final class ServiceReporter: Sendable {
    private struct State {
        var headline: String
        /// One, and during a reload another.
        var schedulers: [Scheduler] = []
        var served: ServerState?
        /// What the last tick of a drain has seen.
        var progress: UInt64?
        var lastStatus = ""
        /// What the thread has still to send, oldest first.
        var announcements: [[String]] = []
        var isStuck = false
        var isStopped = false
    }

    /// While the service manager reads nothing, only so many announcements are kept, the newest.
    private static let announcementLimit = 32
    /// How long the end of the program waits for the last of them to be sent.
    static let lastWords = Duration.seconds(1)

    /// How much time a tick with progress requests; the ticks are a second apart.
    private static let extensionMicroseconds = 15_000_000

    private let watchdog: Duration?
    private let logger: Logger
    private let state: Mutex<State>
    private let probes: [Probe]
    private let isReporting: Bool
    private let wakeUp = DispatchSemaphore(value: 0)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// A reporter whose status line begins with `headline`; `probes` must respond for the watchdog to be fed.
    init(headline: String, environment: [String: String], probes: [Probe], logger: Logger) {
        watchdog = ServiceManager.watchdogInterval
        isReporting = environment["NOTIFY_SOCKET"] != nil
        self.probes = probes
        self.logger = logger
        state = Mutex(State(headline: headline))
    }

    /// Starts the thread, where there is somebody to report to.
    ///
    /// - Throws: ``Failure`` (71) where it cannot be started.
    func start() throws(Failure) {
        guard isReporting else { return }
        // Often enough that a late tick costs nothing.
        let period = min(.seconds(1), watchdog.map { $0 / 4 } ?? .seconds(1))
        try PlainThread.start("reporter") { [self] in
            var nextTick = ContinuousClock.now
            var nextProbe = ContinuousClock.now
            while true {
                let isLast = state.withLock { $0.isStopped }
                sendAnnouncements()
                if isLast { break }
                if let watchdog, ContinuousClock.now >= nextProbe {
                    for probe in probes { probe.probe() }
                    nextProbe = .now + watchdog / 4
                }
                if ContinuousClock.now >= nextTick {
                    tick()
                    nextTick = .now + period
                }
                wait(until: nextTick)
            }
            hasEnded.signal()
        }
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

    /// Announces a change of state: the thread sends it next. Never waits.
    func announce(_ lines: [String], headline: String) {
        state.withLock { state in
            // The service manager reads lines.
            state.headline = String(headline.map { $0.isNewline ? " " : $0 })
            state.lastStatus = Self.status(state)
            guard isReporting else { return }
            if state.announcements.count == Self.announcementLimit { state.announcements.removeFirst() }
            state.announcements.append(lines + ["STATUS=\(state.lastStatus)"])
        }
        wakeUp.signal()
    }

    /// Ends the thread, once it has sent what was announced, or the time has passed.
    func stop() {
        state.withLock { $0.isStopped = true }
        wakeUp.signal()
        if isReporting { _ = hasEnded.wait(timeout: .now() + .milliseconds(Int(Self.lastWords / .milliseconds(1)))) }
    }

    private func wait(until instant: ContinuousClock.Instant) {
        let milliseconds = Int(((instant - .now) / .milliseconds(1)).rounded(.up))
        _ = wakeUp.wait(timeout: .now() + .milliseconds(max(0, milliseconds)))
    }

    private func sendAnnouncements() {
        let announcements = state.withLock { state in
            defer { state.announcements = [] }
            return state.announcements
        }
        for lines in announcements { ServiceManager.notify(lines) }
    }

    private func tick() {
        let schedulers = state.withLock { $0.schedulers }
        var lines: [String] = []
        if let watchdog {
            let stuck = self.stuck(schedulers, for: watchdog)
            if stuck == nil { lines.append("WATCHDOG=1") }
            note(stuck)
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

    /// What has not moved for the watchdog's interval, in words; nil where everything has.
    private func stuck(_ schedulers: [Scheduler], for watchdog: Duration) -> String? {
        let silence = schedulers.map(\.longestSilence).max() ?? .zero
        if silence >= watchdog {
            return "A compute thread has images and has made no step for \(silence.components.seconds) s"
        }
        guard let probe = probes.first(where: { $0.silence >= watchdog }) else { return nil }
        return "\(probe.name) has taken up no work for \(probe.silence.components.seconds) s"
    }

    /// Logs once when something stops moving, and once when everything moves again.
    private func note(_ stuck: String?) {
        let changed = state.withLock { state in
            defer { state.isStuck = stuck != nil }
            return state.isStuck != (stuck != nil)
        }
        guard changed else { return }
        if let stuck {
            logger.critical("\(stuck); the watchdog is not fed")
        } else {
            logger.notice("Compute, Swift's pool and the event loops make progress again")
        }
    }

    private static func status(_ state: State) -> String {
        guard let counts = state.served?.status else { return state.headline }
        return
            "\(state.headline): \(counts.imagesInFlight) images in flight, \(counts.imagesQueued) queued, "
            + "\(counts.imagesCompleted) done"
    }
}
