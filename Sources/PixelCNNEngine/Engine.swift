// The engine is a loaded model: weights packed for this processor, shared by every session, which step images with it.
// Packing takes some 20 ms for the published network; the model's file is not needed afterwards.

import PixelCNNKernels
import PixelCNNModel

/// A model, ready to compute. Immutable, shared by threads.
package final class Engine: Sendable {
    package let hyperparameters: Hyperparameters
    /// The instruction set in use; every one gives the same bits.
    package let kernels: Kernels
    /// The arithmetic of the products; each precision has its own bits.
    package let precision: Precision

    let shape: NetworkShape
    let weights: PackedWeights  // in `storage`
    private let storage = ConstantStorage()

    /// Packs the model's weights.
    package init(model: Model, kernels: Kernels = .fastest, precision: Precision = .f32) {
        hyperparameters = model.hyperparameters
        shape = NetworkShape(model.description)
        self.kernels = kernels
        self.precision = precision
        weights = PackedWeights(model, shape: shape, kernels: kernels, precision: precision, storage: storage)
    }

    /// `avx512vnni`, `avx512`, `avx2`, `neon` or `portable`.
    package var instructionSet: String { kernels.name }

    /// Bytes of activation rows that an image of `width` columns in flight takes; its height does not matter.
    package func cacheBytes(width: Int) -> Int { RowCache.Layout(shape, width: width).byteCount }

    /// Bytes of the packed weights.
    package var weightBytes: Int { weights.byteCount }

    /// Bytes that a session for `images` images takes beside their rows: nearly all of it is its horizontal stack, and
    /// what its helper thread computes ahead.
    package func sessionBytes(images: Int) -> Int {
        let perImage = shape.columnCount + shape.blocks * (shape.pairs + shape.features.channels)
        let ahead = shape.sumsAbove(width: HelperThread.mostColumnsOfSums)
        return (images * perImage + ahead) * MemoryLayout<Float>.stride
    }

    /// Writes what the network reads for `value` of channel `c` of a pixel at `pixel`.
    @inline(__always)
    func write(_ value: Int, channel c: Int, to pixel: UnsafeMutablePointer<Float>) {
        if shape.valuesAreRows {
            pixel.update(from: weights.input.values.base + value * shape.valueWidth, count: shape.valueWidth)
        } else {
            pixel[c] = weights.input.values[value]
        }
    }
}
