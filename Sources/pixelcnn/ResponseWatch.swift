// Ends the wait for a daemon that has nothing more to say, by closing the connection. How long a job takes nobody
// knows; but a daemon that is there responds to a health check, and a stream has a sign of life every 15 seconds. So
// silence is bounded everywhere, except before a response of a daemon that is well.

import NIOCore
import PixelCNNAPI
import Support
import Synchronization

/// How long a client waits for one response.
struct WaitLimits: Sendable {
    /// How long the daemon may say nothing.
    var silence = defaultSilence
    /// When all of the response must have come, nil where that depends on the job.
    var end: ContinuousClock.Instant?
    /// Whether the response takes as long as its job: else all of it must come within `silence`.
    var isJob = false

    static let defaultSilence = Duration.seconds(60)
    /// How long past a deadline the daemon has to say that it has passed.
    static let deadlineMargin = Duration.seconds(5)
    /// A stream that is silent for longer has stopped, even if its daemon is well: four signs of life are missing.
    static let streamSilence = Duration.seconds(60)
    /// How long a health check may take.
    static let healthCheck = Duration.seconds(10)
    /// Past `silence` a body must have come this fast on average.
    static let bytesPerSecond = 1024.0
}

/// Watches the response of one request.
final class ResponseWatch: Sendable {
    private struct State {
        let start = ContinuousClock.now
        /// When anything has come, and when the daemon has last shown that it is well.
        var lastBytes = ContinuousClock.now
        var lastSign = ContinuousClock.now
        /// When the head has come.
        var head: ContinuousClock.Instant?
        var isStream = false
        var bytes = 0
        var failure: Failure?
    }

    private enum Verdict {
        case wait(until: ContinuousClock.Instant)
        case checkHealth
        case giveUp(Failure)
    }

    private let limits: WaitLimits
    private let state = Mutex(State())

    init(_ limits: WaitLimits) { self.limits = limits }

    /// Why the connection was closed; nil where it was not closed here.
    var failure: Failure? { state.withLock { $0.failure } }

    func headHasCome(isStream: Bool) {
        state.withLock { state in
            state.head = .now
            state.isStream = isStream
            state.lastBytes = .now
        }
    }

    func hasCome(bytes: Int) {
        state.withLock { state in
            state.bytes += bytes
            state.lastBytes = .now
        }
    }

    /// Watches until the task is cancelled.
    ///
    /// - Parameter isHealthy: sends a health check.
    func run(closing channel: any Channel, isHealthy: @Sendable () async -> Bool) async {
        while !Task.isCancelled {
            switch state.withLock({ judge($0) }) {
            case .wait(let instant): try? await Task.sleep(until: instant)
            case .checkHealth:
                if await isHealthy() {
                    state.withLock { $0.lastSign = .now }
                } else {
                    end(Self.silent(state.withLock { $0.lastBytes }), channel)
                    return
                }
            case .giveUp(let failure):
                end(failure, channel)
                return
            }
        }
    }

    private func end(_ failure: Failure, _ channel: any Channel) {
        if Task.isCancelled { return }
        state.withLock { $0.failure = failure }
        channel.close(promise: nil)
    }

    private func judge(_ state: State) -> Verdict {
        let now = ContinuousClock.now
        if let end = limits.end, end <= now {
            return .giveUp(
                Failure(.temporaryFailure, "the deadline has passed, and the daemon has not said so; it may hang"))
        }
        let verdict = judgeSilence(state, now)
        if case .wait(let instant) = verdict, let end = limits.end { return .wait(until: min(instant, end)) }
        return verdict
    }

    private func judgeSilence(_ state: State, _ now: ContinuousClock.Instant) -> Verdict {
        guard limits.isJob else {
            let due = state.start + limits.silence
            return due <= now ? .giveUp(Self.silent(state.start)) : .wait(until: due)
        }
        if let head = state.head, !state.isStream {
            let seconds = (now - head) / .seconds(1)
            let isSlow = now - head > limits.silence && Double(state.bytes) < WaitLimits.bytesPerSecond * seconds
            let due = state.lastBytes + limits.silence
            return due <= now || isSlow ? .giveUp(Self.silent(state.lastBytes)) : .wait(until: due)
        }
        if state.isStream, state.lastBytes + max(WaitLimits.streamSilence, limits.silence) <= now {
            return .giveUp(Self.silent(state.lastBytes))
        }
        let due = max(state.lastBytes, state.lastSign) + limits.silence
        return due <= now ? .checkHealth : .wait(until: due)
    }

    private static func silent(_ since: ContinuousClock.Instant) -> Failure {
        let seconds = Int(((ContinuousClock.now - since) / .seconds(1)).rounded(.up))
        return Failure(
            .unavailable,
            "the daemon has accepted the connection, and said nothing for \(seconds) s: it hangs, or is stopped; "
                + "its log may say why (--timeout waits longer)")
    }
}
