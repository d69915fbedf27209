// Random numbers of a training run. Each purpose and epoch has a stream of its own, made from the seed, so nothing of a
// generator need be kept to go on with a run.
//
// First weights are drawn from them as PyTorch's convolutions and layer norms draw theirs: uniform within ±1 / √fan-in,
// the masked inputs counted; norms start as the identity.

import PixelCNNModel
import Support

struct TrainingGenerator: RandomNumberGenerator {
    private var stream: SplitMix64

    /// What a stream is for.
    enum Purpose: UInt64 { case weights, order, flips }

    init(seed: UInt64, _ purpose: Purpose, epoch: Int = 0) {
        stream = SplitMix64(seed: seed)
        for word in [purpose.rawValue, UInt64(epoch)] { stream = SplitMix64(seed: next() ^ word) }
    }

    mutating func next() -> UInt64 { stream.next() }

    /// Uniform in [−1, 1).
    mutating func symmetric() -> Float { Float(Int64(bitPattern: next()) >> 40) * 0x1p-23 }
}

extension Model {
    /// A model that has learnt nothing. The same seed gives the same weights.
    /// - Throws: `ModelFileError` where `labelNames` are not names of its classes.
    package static func initial(
        _ hyperparameters: Hyperparameters, seed: UInt64, labelNames: [String] = []
    ) throws(ModelFileError) -> Model {
        var generator = TrainingGenerator(seed: seed, .weights)
        var fanIn = 1
        let tensors = hyperparameters.parameters.map { spec in
            let floats: [Float]
            switch spec.role {
            case .weight:
                fanIn = spec.shape.dropFirst().reduce(1, *)
                floats = uniform(spec.count, fanIn, &generator)
            case .bias: floats = uniform(spec.count, fanIn, &generator)  // of the weight before it
            case .normWeight: floats = Array(repeating: 1, count: spec.count)
            case .normBias, .mean, .variance, .number, .mask: floats = Array(repeating: 0, count: spec.count)
            }
            return Tensor(name: spec.name, shape: spec.shape, floats: floats)
        }
        return try Model(hyperparameters: hyperparameters, tensors: tensors, labelNames: labelNames)
    }

    private static func uniform(_ count: Int, _ fanIn: Int, _ generator: inout TrainingGenerator) -> [Float] {
        let bound = 1 / Float(fanIn).squareRoot()
        return (0..<count).map { _ in generator.symmetric() * bound }
    }
}
