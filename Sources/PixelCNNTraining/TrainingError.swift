// What can stop training: one case per reason, each a line that says what was found and what to do.

/// Why training cannot start or go on.
package enum TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Even one thread that keeps as little as it can needs more bytes.
    case notEnoughMemory(needed: Int, allowed: Int)
    /// A model file that no run has written.
    case notACheckpoint(String)
    /// A checkpoint of a run under other settings, or on other data.
    case otherRun(String, what: String, found: String, expected: String)
    /// A checkpoint whose data is not what was written.
    case damagedCheckpoint(String)
    /// A checkpoint with a number that no run comes to.
    case impossibleCheckpoint(String, what: String)
    /// The loss or a gradient is no number any more.
    case diverged(step: Int, checkpoint: String?)
    /// The network and the images do not fit together.
    case otherImages(found: String, expected: String)
    /// The log cannot be written.
    case log(String, reason: String)

    /// Whether it is a file that cannot be written, rather than what was asked.
    package var isUnwritten: Bool { if case .log = self { true } else { false } }
    package var description: String {
        switch self {
        case .notEnoughMemory(let needed, let allowed):
            "training this network on these images takes at least \(needed >> 20) MB; \(allowed >> 20) MB are allowed"
        case .notACheckpoint(let file): "\(file): a model, but no checkpoint of a training run"
        case .otherRun(let file, let what, let found, let expected):
            "\(file): the run was begun under other settings: \(what) was \(found) and is now \(expected); go on "
                + "under the same ones, or with more epochs, or begin a new run from the model with --init"
        case .damagedCheckpoint(let file):
            "\(file): the checkpoint is damaged: its data has another digest than when it was written; restore the "
                + "file from a copy, or begin again without --resume"
        case .impossibleCheckpoint(let file, let what):
            "\(file): the checkpoint is damaged: \(what); restore the file from a copy, or begin again without --resume"
        case .diverged(let step, let checkpoint):
            "the loss is not a number at step \(step); try a smaller --lr or --clip-grad. "
                + (checkpoint.map { "The last good checkpoint is \($0)" } ?? "There is no checkpoint yet")
        case .otherImages(let found, let expected):
            "the images are \(found), and the model is for \(expected)"
        case .log(let file, let reason): "\(file): \(reason)"
        }
    }
}
