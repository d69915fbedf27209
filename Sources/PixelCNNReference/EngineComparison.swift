// The engine against the full forward pass, teacher-forced, at every position of an image: the exactness contract of
// docs/MODEL.md as a measurement. An image of the published size takes some seconds, nearly all of them the full
// pass's.

import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel

/// Compares an engine's logits with those of the reference network. Shared by threads.
package struct EngineComparison: Sendable {
    private let engine: Engine
    private let network: ReferenceNetwork

    /// - Parameter model: what the engine was made of. For an engine in bf16 the reference network has the weights
    ///   rounded that docs/MODEL.md names, so that the bound is the same.
    package init(model: Model, engine: Engine) throws(ModelFileError) {
        self.engine = engine
        network = ReferenceNetwork(model: engine.precision == .bf16 ? try model.roundedToBFloat16() : model)
    }

    /// How far two lists of logits lie apart.
    package struct Difference: Sendable {
        /// The largest |Δ logit|, in nats; NaN where either has a logit that is not finite.
        package let largest: Float
        /// Where that is: the place in logits (d, C, H, W).
        package let place: Int
        /// Standard deviation of the expected logits.
        package let deviation: Float

        /// The contract's bound in nats: 1e-4 × max(1, σ).
        package var bound: Float { 1e-4 * max(1, deviation) }
        /// Whether the contract holds.
        package var isWithinBound: Bool { largest <= bound }

        package init(_ logits: [Float], expected: [Float]) {
            precondition(logits.count == expected.count && !logits.isEmpty)
            let mean = expected.reduce(0.0) { $0 + Double($1) } / Double(expected.count)
            let variance =
                expected.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(expected.count)
            var worst = (difference: Float(0), place: 0)
            for (place, (found, expected)) in zip(logits, expected).enumerated() {
                let difference = abs(found - expected)
                guard difference.isFinite else {
                    worst = (.nan, place)
                    break
                }
                if difference > worst.difference { worst = (difference, place) }
            }
            largest = worst.difference
            place = worst.place
            deviation = Float(variance.squareRoot())
        }
    }

    /// Compares all logits of an image's values (C, H, W); `label` is its class, where the model is conditional.
    package func difference(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> Difference {
        Difference(
            engine.logits(values, height: height, width: width, label: label),
            expected: network.logits(values, height: height, width: width, label: label))
    }
}

extension Engine {
    /// Teacher-forced logits of an image, (d, C, H, W), computed pixel by pixel as sampling does.
    package func logits(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> [Float] {
        let (channels, colors) = (hyperparameters.channels, hyperparameters.colors)
        var logits = [Float](repeating: .nan, count: colors * channels * height * width)
        let session = SamplingSession(engine: self, capacity: 1)
        session.inspectLogits = { _, row, column, c, computed in
            for v in 0..<colors {
                logits[((v * channels + c) * height + row) * width + column] = computed[v]
            }
        }
        session.add(ImageTask(height: height, width: width, label: label, source: .score(values: values)), tag: 0)
        while session.count > 0 { session.step { _, _ in } }
        return logits
    }
}

extension Model {
    /// The model whose f32 engine gives the bits of this one's in bf16.
    fileprivate func roundedToBFloat16() throws(ModelFileError) -> Model {
        let rounded = description.weightsOfPixels
        let tensors = description.parameters.map { spec in
            guard rounded.contains(spec.name) else { return self[spec.name] }
            let floats = self[spec.name].floats().map { Float(bitPattern: UInt32(Precision.bfloat16($0)) << 16) }
            return Tensor(name: spec.name, shape: spec.shape, floats: floats)
        }
        return try Model(
            hyperparameters: hyperparameters, description: description, tensors: tensors, labelNames: labelNames)
    }
}
