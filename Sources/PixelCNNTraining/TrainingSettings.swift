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

    /// Decides everything random: first weights, order and changes of images, what is dropped and what is set aside.
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
    /// Share of the units of every block's horizontal gate that a step drops; 0: none.
    package var dropout = 0.0
    /// Most pixels that an image is moved by, in each direction, drawn anew each epoch.
    package var shift = 0
    /// Whether levels are probabilities of white: each pixel is drawn anew each epoch, that of held-out images once.
    package var binarizes = false
    /// Share of the training images that choose the best epoch instead; 0 where others do, or none.
    package var validation = 0.0
    /// Epochs without a better one after which the run ends; nil: it does not.
    package var patience: Int?

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
        if !(0...Dropout.limit).contains(dropout) {
            return "dropout is \(dropout); it must be from 0 to \(Dropout.limit)"
        }
        if !(0...Self.shiftLimit).contains(shift) { return "shift is \(shift); it must be 0 to \(Self.shiftLimit)" }
        if let patience, patience < 1 { return "patience is \(patience); it must be 1 or more" }
        return nil
    }

    private static let shiftLimit = 32

    /// What step `step`, from 0, drops; nil for nothing.
    func dropout(step: Int) -> Dropout? { dropout > 0 ? Dropout(share: dropout, seed: seed, step: step) : nil }

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

    /// Those of ``described`` that keep a network from learning its images by heart; empty without them.
    package var regularization: [(name: String, value: String)] {
        let all: [(isOn: Bool, name: String, value: String)] = [
            (dropout > 0, "dropout", "\(dropout)"), (shift > 0, "shift", "\(shift)"), (binarizes, "binarize", "true"),
            (validation > 0, "validation", "\(validation)"), (patience != nil, "patience", "\(patience ?? 0)"),
        ]
        return all.filter(\.isOn).map { ($0.name, $0.value) }
    }

    /// Names, as the options have them, and values as text.
    var described: [(name: String, value: String)] {
        [
            ("seed", "\(seed)"), ("lr", "\(rate)"), ("epochs", "\(epochs)"), ("batch-size", "\(batchSize)"),
            ("clip-grad", "\(clip)"), ("warmup", "\(warmup)"), ("schedule", schedule.rawValue),
            ("ema", "\(averageDecay)"), ("flip", "\(flips)"),
        ] + (balance > 0 ? [("balance", "\(balance)")] : []) + regularization
    }
}
