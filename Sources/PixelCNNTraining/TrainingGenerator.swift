// Random numbers of a training run. Each purpose and epoch has a stream of its own, made from the seed, so nothing of a
// generator need be kept to go on with a run. What belongs to a place (a unit that is dropped, a pixel that is drawn)
// has Philox's words of that place, under a key that is the stream's first word.
//
// First weights are drawn from them as PyTorch's layers draw theirs: those of convolutions uniform within ±1 / √fan-in,
// the masked inputs counted; norms start as the identity; rows of a table are near to normal.

import PixelCNNModel
import Support

struct TrainingGenerator: RandomNumberGenerator {
    private var stream: SplitMix64

    /// What a stream is for.
    enum Purpose: UInt64 { case weights, order, flips, dropout, shifts, levels, heldOutLevels, validation }

    init(seed: UInt64, _ purpose: Purpose, epoch: Int = 0) {
        stream = SplitMix64(seed: seed)
        for word in [purpose.rawValue, UInt64(epoch)] { stream = SplitMix64(seed: next() ^ word) }
    }

    /// The key of the numbers that belong to places of an epoch or, as dropout's, of a step.
    static func key(seed: UInt64, _ purpose: Purpose, epoch: Int = 0) -> UInt64 {
        var generator = TrainingGenerator(seed: seed, purpose, epoch: epoch)
        return generator.next()
    }

    mutating func next() -> UInt64 { stream.next() }

    /// Uniform in [−1, 1).
    mutating func symmetric() -> Float { Float(Int64(bitPattern: next()) >> 40) * 0x1p-23 }

    /// The sum of twelve uniform numbers of variance 1 / 12: close to N(0, 1), and without a function of a library
    /// whose last bit may differ between machines.
    mutating func normal() -> Float { (0..<12).reduce(0) { sum, _ in sum + symmetric() } / 2 }
}

extension Model {
    /// A model that has learnt nothing. The same seed gives the same weights.
    /// - Throws: `ModelFileError` where `labelNames` are not names of its classes.
    package static func initial(
        _ hyperparameters: Hyperparameters, _ description: NetworkDescription, seed: UInt64, labelNames: [String] = []
    ) throws(ModelFileError) -> Model {
        var generator = TrainingGenerator(seed: seed, .weights)
        var fanIn = 1
        let tables = description.tables
        let tensors = description.parameters.map { spec in
            let floats: [Float]
            switch spec.role {
            case .weight where tables.contains(spec.name):
                floats = (0..<spec.count).map { _ in generator.normal() }
            case .weight:
                fanIn = spec.shape.dropFirst().reduce(1, *)
                floats = uniform(spec.count, fanIn, &generator)
            case .bias: floats = uniform(spec.count, fanIn, &generator)  // of the weight before it
            case .normWeight: floats = Array(repeating: 1, count: spec.count)
            case .normBias, .mean, .variance, .number, .mask: floats = Array(repeating: 0, count: spec.count)
            }
            return Tensor(name: spec.name, shape: spec.shape, floats: floats)
        }
        return try Model(
            hyperparameters: hyperparameters, description: description, tensors: tensors, labelNames: labelNames)
    }

    private static func uniform(_ count: Int, _ fanIn: Int, _ generator: inout TrainingGenerator) -> [Float] {
        let bound = 1 / Float(fanIn).squareRoot()
        return (0..<count).map { _ in generator.symmetric() * bound }
    }
}
