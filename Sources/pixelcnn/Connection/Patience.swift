// How long a busy daemon is waited for, in pauses as long as the daemon says and a little longer, by chance, so that
// clients that were refused together do not come back together.

import ArgumentParser

struct Patience: Sendable {
    /// For each answer, from the first refusal on: however long a job is, it waits as long for a daemon that is busy.
    private let duration: Duration
    private let deadline: ContinuousClock.Instant?

    /// None at all.
    static let none = Patience(for: .zero)

    /// For `duration` from the first refusal on, and not past `deadline`.
    init(for duration: Duration, until deadline: ContinuousClock.Instant? = nil) {
        (self.duration, self.deadline) = (duration, deadline)
    }

    /// The waiting for one answer.
    struct Waiting {
        private let patience: Patience
        private var end: ContinuousClock.Instant?

        init(_ patience: Patience) { self.patience = patience }

        /// The next pause, nil where patience is at its end. The last one ends with it.
        mutating func pause(atLeast seconds: Double) -> Duration? {
            let end = self.end ?? .now + patience.duration
            self.end = end
            let rest = min(end, patience.deadline ?? end) - .now
            guard rest > .zero, seconds.isFinite else { return nil }
            return min(.seconds(min(max(seconds, 0.1), 86_400) * Double.random(in: 1...1.25)), rest)
        }
    }
}

/// Options of subcommands that wait for a busy daemon.
struct PatienceOptions: ParsableArguments {
    static let defaultWait = 300.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Wait at most as long for a busy daemon; \(Int(defaultWait)) by default.", valueName: "seconds"))
    var wait: Double?

    @Flag(help: "Do not wait for a busy daemon: exit with status 75.")
    var noWait = false

    func validate() throws {
        if self.noWait, self.wait != nil { throw ValidationError("--wait and --no-wait exclude each other") }
        if let wait, !(0...1e9 ~= wait) { throw ValidationError("--wait is \(wait); allowed is 0…1e9") }
    }

    func patience(until deadline: ContinuousClock.Instant? = nil) -> Patience {
        noWait ? .none : Patience(for: .seconds(wait ?? Self.defaultWait), until: deadline)
    }
}
