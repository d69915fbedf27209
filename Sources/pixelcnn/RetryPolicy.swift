// How long a busy daemon is waited for, in pauses as long as the daemon says and a little longer, by chance, so that
// clients that were refused together do not come back together. DaemonClient retries by it, and SplitJob also while the
// daemon is restarted.

import ArgumentParser

struct RetryPolicy: Sendable {
    /// For each request, from its first refusal on: however long a job is, each request waits this long.
    private let duration: Duration
    private let deadline: ContinuousClock.Instant?

    /// No retries at all.
    static let none = RetryPolicy(for: .zero)

    /// For `duration` from the first refusal on, and not past `deadline`.
    init(for duration: Duration, until deadline: ContinuousClock.Instant? = nil) {
        self.duration = duration
        self.deadline = deadline
    }

    /// The retries of one request.
    struct Retries {
        private let policy: RetryPolicy
        private var end: ContinuousClock.Instant?

        init(_ policy: RetryPolicy) { self.policy = policy }

        /// The pause before the next attempt, nil where there is none. The last pause ends when the time is up.
        mutating func pause(atLeast seconds: Double) -> Duration? {
            let end = self.end ?? .now + policy.duration
            self.end = end
            let rest = min(end, policy.deadline ?? end) - .now
            guard rest > .zero, seconds.isFinite else { return nil }
            return min(.seconds(min(max(seconds, 0.1), 86_400) * Double.random(in: 1...1.25)), rest)
        }
    }
}

/// Options of subcommands that wait for a busy daemon, and for one that is starting.
struct RetryOptions: ParsableArguments {
    static let defaultWait = 300.0
    static let defaultStartWait = 5.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            How long to wait for a busy daemon, \(Int(defaultWait)) by default, or for one that is starting, \
            \(Int(defaultStartWait)) by default.
            """, valueName: "seconds"))
    var wait: Double?

    @Flag(help: "Do not wait for a busy daemon (exit with status 75), nor for one that is starting (69).")
    var noWait = false

    func validate() throws {
        if noWait, wait != nil { throw ValidationError("--wait and --no-wait exclude each other") }
        try Self.check(wait)
    }

    static func check(_ wait: Double?) throws {
        if let wait, !(0...1e9 ~= wait) { throw ValidationError("--wait is \(wait); allowed is 0…1e9") }
    }

    func policy(until deadline: ContinuousClock.Instant? = nil) -> RetryPolicy {
        noWait ? .none : RetryPolicy(for: .seconds(wait ?? Self.defaultWait), until: deadline)
    }

    /// How long a daemon that is not there is waited for.
    var startWait: Duration { noWait ? .zero : .seconds(wait ?? Self.defaultStartWait) }
}
