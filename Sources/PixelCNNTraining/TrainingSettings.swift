// What decides a training run beside its data and its first weights: defaults and limits stand here. All of it goes
// into checkpoints: a run goes on bit-exactly only under the settings it began with.

#if canImport(Glibc)
    import Glibc
#endif

/// Everything about a run that changes its result.
package struct TrainingSettings: Sendable, Equatable {
    /// How the learning rate falls after its warm-up.
    package enum Schedule: String, Sendable, CaseIterable {
        /// It stays.
        case constant
        /// Along half a cosine, down to 2 % at the end.
        case cosine
    }

    /// Decides the first weights, the order of the images, and which are mirrored.
    package var seed: UInt64 = 0
    /// Largest learning rate.
    package var rate = 3e-4
    /// Passes over the training images.
    package var epochs = 50
    /// Images per step.
    package var batchSize = 16
    /// Largest norm of a gradient.
    package var clip = 1.0
    /// Steps in which the rate rises from nothing.
    package var warmup = 0
    package var schedule = Schedule.constant
    /// The average of the weights keeps this share per step; 0: no average.
    package var averageDecay = 0.0
    /// Whether half of the images, drawn anew each epoch, are mirrored left to right.
    package var flips = false
    /// How evenly classes are drawn: 0, as the images come; 1, all equally often; between them, in proportion to their
    /// images to the power of 1 − `balance`.
    package var balance = 0.0

    /// The defaults: the original's.
    package init() {}

    /// What is not allowed, under the option's name; nil where all is.
    package var violation: String? {
        for (name, value) in [("lr", rate), ("clip-grad", clip)] where !(value > 0 && value.isFinite) {
            return "\(name) is \(value); it must be above 0"
        }
        for (name, value) in [("epochs", epochs), ("batch-size", batchSize)] where !(1...1_000_000).contains(value) {
            return "\(name) is \(value); it must be 1 to 1000000"
        }
        if warmup < 0 { return "warmup is \(warmup); it must be 0 or more" }
        if !(0..<1).contains(averageDecay) { return "ema is \(averageDecay); it must be from 0 to below 1" }
        if !(0...1).contains(balance) { return "balance is \(balance); it must be from 0 to 1" }
        return nil
    }

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
