// What can stop training: one case a reason, each a line that says what was found and what to do.

/// Why training cannot start or go on.
public enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Even one thread that keeps as little as it can needs more bytes.
    case notEnoughMemory(needed: Int, allowed: Int)

    /// One line.
    public var description: String {
        switch self {
        case .notEnoughMemory(let needed, let allowed):
            "training this network on these images takes at least \(needed >> 20) MB; \(allowed >> 20) MB are allowed"
        }
    }
}
