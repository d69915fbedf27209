// How long a busy daemon is waited for: until an instant, in pauses as long as the daemon says and a little longer, by
// chance, so that clients that were refused together do not come back together.

import ArgumentParser

struct Patience: Sendable {
    private let end: ContinuousClock.Instant?

    /// None at all.
    static let none = Patience(end: nil)

    private init(end: ContinuousClock.Instant?) {
        self.end = end
    }

    /// For `duration` from now, and not past `deadline`.
    init(for duration: Duration, until deadline: ContinuousClock.Instant? = nil) {
        let end = ContinuousClock.now + duration
        self.end = deadline.map { min($0, end) } ?? end
    }

    /// The next pause, nil where patience is at its end. The last one ends with it.
    func pause(atLeast seconds: Double) -> Duration? {
        guard let end else { return nil }
        let rest = end - .now
        guard rest > .zero, seconds.isFinite else { return nil }
        return min(.seconds(min(max(seconds, 0.1), 86_400) * Double.random(in: 1...1.25)), rest)
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
        self.noWait ? .none : Patience(for: .seconds(self.wait ?? Self.defaultWait), until: deadline)
    }
}
