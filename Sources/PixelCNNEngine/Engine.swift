// The engine is a loaded model: weights packed for this processor, shared by every session. It computes nothing itself;
// a SamplingSession steps images with it.

import PixelCNNModel

/// A model, ready to compute. Immutable, shared by threads.
package final class Engine: Sendable {
    /// The model's sizes.
    package let hyperparameters: Hyperparameters
    /// The instruction set in use; every one gives the same bits.
    package let kernels: Kernels
    /// How the weights are kept; each precision has its own bits.
    package let precision: Precision

    let geometry: Geometry
    let weights: PackedWeights  // in `storage`
    private let storage = ConstantStorage()
    let normalizedValues: [Float]  // (d): (v − c) / c with c = (d − 1) / 2

    /// Packs the model's weights; its file is not needed afterwards.
    package init(model: Model, kernels: Kernels = .fastest, precision: Precision = .f32) {
        hyperparameters = model.hyperparameters
        geometry = Geometry(model.hyperparameters)
        (self.kernels, self.precision) = (kernels, precision)
        weights = PackedWeights(model, kernels: kernels, precision: precision, storage: storage)
        let centre = Float(model.hyperparameters.colors - 1) / 2
        normalizedValues = (0..<model.hyperparameters.colors).map { (Float($0) - centre) / centre }
    }

    /// `avx512`, `avx2`, `neon` or `portable`.
    package var instructionSet: String { kernels.name }

    /// Bytes of activation rows that an image of `width` columns in flight takes; its height does not matter.
    package func cacheBytes(width: Int) -> Int { RowCache.byteCount(geometry: geometry, width: width) }
}
