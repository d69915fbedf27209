// Models with random weights: for benchmarks, which do not care what they draw, and for tests, which need logits far
// from uniform. The same seed gives the same model on every machine of a kind.

import Glibc
import Support

extension Model {
    /// Weights from N(0, scale / √fan-in), those under masks included; biases from N(0, scale / √8); norms near the
    /// identity, weights from N(1, 0.1) and biases from N(0, 0.1).
    package static func random(_ hyperparameters: Hyperparameters, seed: UInt64, scale: Float = 1) -> Model {
        random(hyperparameters, hyperparameters.description, seed: seed, scale: scale)
    }

    /// The same of a published network; variances between 0.1 and 0.5.
    package static func random(
        _ hyperparameters: Hyperparameters, _ description: NetworkDescription, seed: UInt64, scale: Float = 1
    ) -> Model {
        var normal = NormalGenerator(seed: seed)
        var parameters: [String: Tensor] = [:]
        for spec in description.parameters {
            let (mean, deviation): (Float, Float) =
                switch spec.role {
                case .weight: (0, scale / Float(spec.shape.dropFirst().reduce(1, *)).squareRoot())
                case .bias: (0, scale / Float(8).squareRoot())
                case .normWeight: (1, 0.1)
                case .variance: (0.3, 0.05)
                case .normBias, .mean, .number, .mask: (0, 0.1)
                }
            let floats = (0..<spec.count).map { _ in mean + deviation * normal.next() }
            parameters[spec.name] = Tensor(name: spec.name, shape: spec.shape, floats: floats)
        }
        return Model(hyperparameters, description, parameters, warnings: [])
    }
}

/// Standard normal numbers by Box and Muller's transform, one number per pair for simplicity.
private struct NormalGenerator {
    private var generator: SplitMix64

    init(seed: UInt64) { generator = SplitMix64(seed: seed) }

    mutating func next() -> Float {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return Float(radius * cos(2 * .pi * uniform()))
    }

    /// Uniform in [0, 1), 53 bits.
    private mutating func uniform() -> Double { Double(generator.next() >> 11) * 0x1p-53 }
}
