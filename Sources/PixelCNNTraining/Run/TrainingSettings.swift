// What decides a training run beside its data and its first weights. All of it goes into checkpoints: a run goes on
// bit-exactly only under the settings it began with.

#if canImport(Glibc)
    import Glibc
#endif

/// Everything about a run that changes its result.
public struct TrainingSettings: Sendable, Equatable {
    /// How the learning rate falls after its warm-up.
    public enum Schedule: String, Sendable, CaseIterable {
        /// It stays.
        case constant
        /// Along half a cosine, down to 2 % at the end.
        case cosine
    }

    /// Decides the first weights, the order of the images, and which are mirrored.
    public var seed: UInt64 = 0
    /// Largest learning rate.
    public var rate = 3e-4
    /// Passes over the training images.
    public var epochs = 50
    /// Images a step.
    public var batchSize = 16
    /// Largest norm of a gradient.
    public var clip = 1.0
    /// Steps in which the rate rises from nothing.
    public var warmup = 0
    /// How the rate falls.
    public var schedule = Schedule.constant
    /// The average of the weights keeps this share a step; 0: no average.
    public var averageDecay = 0.0
    /// Whether half of the images, drawn anew each epoch, are mirrored left to right.
    public var flips = false
    /// How evenly classes are drawn: 0, as the images come; 1, all equally often; between them, in proportion to their
    /// images to the power of 1 − `balance`.
    public var balance = 0.0

    /// The defaults: the original's.
    public init() {}

    /// What step `step` of `total`, from 0, does.
    func optimizer(step: Int, total: Int) -> OptimizerStep {
        let rising = warmup > 0 ? min(1, Double(step + 1) / Double(warmup)) : 1
        let falling: Double
        switch schedule {
        case .constant: falling = 1
        case .cosine: falling = 0.02 + 0.98 * (1 + cos(.pi * Double(step) / Double(max(total, 1)))) / 2
        }
        // A young average would be mostly the first weights.
        let decay = min(averageDecay, Double(step + 1) / Double(step + 21))
        return OptimizerStep(rate: rate * rising * falling, clip: clip, averageDecay: averageDecay > 0 ? decay : 0)
    }

    /// Names, as the options have them, and values as text.
    var described: [(name: String, value: String)] {
        [
            ("seed", "\(seed)"), ("lr", "\(rate)"), ("epochs", "\(epochs)"), ("batch-size", "\(batchSize)"),
            ("clip-grad", "\(clip)"), ("warmup", "\(warmup)"), ("schedule", schedule.rawValue),
            ("ema", "\(averageDecay)"), ("flip", "\(flips)"),
        ] + (balance > 0 ? [("balance", "\(balance)")] : [])
    }
}
