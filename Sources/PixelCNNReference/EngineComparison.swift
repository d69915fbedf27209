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

    /// - Parameter model: what the engine was made of.
    package init(model: Model, engine: Engine) {
        self.engine = engine
        network = ReferenceNetwork(model: model)
    }

    /// The contract's bound, as a share of max(1, σ). What integers round away grows where a layer norm has few
    /// channels, all nearly equal.
    package static func boundShare(_ precision: Precision) -> Float { precision == .i16 ? 0.1 : 1e-4 }

    /// How far two lists of logits lie apart.
    package struct Difference: Sendable {
        /// The largest |Δ logit|, in nats; NaN where either has a logit that is not finite.
        package let largest: Float
        /// Where that is: the place in logits (d, C, H, W).
        package let place: Int
        /// Standard deviation of the expected logits.
        package let deviation: Float
        private let precision: Precision

        /// The contract's bound, in nats.
        package var bound: Float { EngineComparison.boundShare(precision) * max(1, deviation) }
        /// Whether the contract holds.
        package var isWithinBound: Bool { largest <= bound }

        package init(_ logits: [Float], expected: [Float], precision: Precision = .f32) {
            self.precision = precision
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
            expected: network.logits(values, height: height, width: width, label: label), precision: engine.precision)
    }
}

extension Engine {
    /// Teacher-forced logits of an image, (d, C, H, W), computed pixel by pixel as sampling does, or `byColumns` as
    /// scoring does.
    package func logits(
        _ values: [UInt16], height: Int, width: Int, label: Int? = nil, byColumns: Bool = false
    ) -> [Float] {
        let (channels, colors) = (hyperparameters.channels, hyperparameters.colors)
        var logits = [Float](repeating: .nan, count: colors * channels * height * width)
        let session = SamplingSession(engine: self, capacity: 1)
        session.scoresByColumns = byColumns
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
