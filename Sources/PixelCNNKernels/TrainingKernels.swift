// The kernels of the backward pass and of the optimiser, of the same instruction set as ``Kernels``. The daemon uses
// none of them, and its linker drops them.

import CPixelKernels

package typealias AdamStep = adam_step

/// The arithmetic of training: as with ``Kernels``, every instruction set gives the same bits.
package struct TrainingKernels: @unchecked Sendable {
    private let table: UnsafePointer<training_kernels>

    package init(_ kernels: Kernels) { table = training_kernels_of(kernels.table) }

    /// The gradient of a matrix: y[i] += Σ x[row][column][i] · dy[row][column], over `rows` × `columns` positions;
    /// image rows of x are `xRow` floats apart, those of dy `dyRow`.
    package func accumulateProducts(
        _ x: Rows, xRow: Int, inputs: Int, _ dy: Rows, dyRow: Int, lanes: Int, into y: Rows, rows: Int, columns: Int
    ) {
        table.pointee.accumulate_products(
            x.base, xRow, x.stride, inputs, dy.base, dyRow, dy.stride, lanes, y.base, y.stride, rows, columns)
    }

    /// The gradient of a bias: y += Σ x[j] over `count` rows j, `channels` of each.
    package func accumulateColumns(_ x: Rows, into y: UnsafeMutablePointer<Float>, channels: Int, count: Int) {
        table.pointee.accumulate_columns(x.base, x.stride, y, channels, count)
    }

    /// Of y = tanh(a) · σ(b). a and b have the stride of a, da and db that of da.
    package func gateGradient(
        _ a: Rows, _ b: Rows, _ dy: Rows, into da: Rows, _ db: Rows, channels: Int, count: Int
    ) {
        table.pointee.gate_gradient(
            a.base, b.base, a.stride, dy.base, dy.stride, da.base, db.base, da.stride, channels, count)
    }

    /// Of the layer norm over one colour group, from its input x; adds to the gradients of weight and bias.
    package func normalizeGradient(
        _ x: Rows, weight: UnsafePointer<Float>, _ dy: Rows, into dx: Rows, dWeight: UnsafeMutablePointer<Float>,
        dBias: UnsafeMutablePointer<Float>, channels: Int, count: Int
    ) {
        table.pointee.normalize_gradient(
            x.base, x.stride, weight, dy.base, dy.stride, dx.base, dx.stride, dWeight, dBias, channels, count)
    }

    /// Of y = max(x, 0); dx and dy may be the same.
    package func rectifyGradient(_ y: Rows, _ dy: Rows, into dx: Rows, channels: Int, count: Int) {
        table.pointee.rectify_gradient(y.base, y.stride, dy.base, dy.stride, dx.base, dx.stride, channels, count)
    }

    /// Cross-entropy of `count` rows of logits x with `values`: each row becomes its gradient, scale · (softmax −
    /// one-hot), and losses[j] its −ln p.
    package func crossEntropy(
        _ x: Rows, values: UnsafePointer<UInt16>, scale: Float, losses: UnsafeMutablePointer<Double>, colors: Int,
        count: Int
    ) {
        table.pointee.cross_entropy(x.base, x.stride, values, 1, scale, losses, colors, count)
    }

    /// y = x[0] + x[1] + …, in that order; returns Σ y². `count` is in whole vectors.
    package func sumParts(
        _ x: [UnsafePointer<Float>], into y: UnsafeMutablePointer<Float>, count: Int
    ) -> Double {
        table.pointee.sum_parts(x, x.count, y, count)
    }

    /// A step of Adam on `count` weights, in whole vectors, and of their average.
    package func adam(
        _ step: UnsafePointer<AdamStep>, gradient: UnsafePointer<Float>, weights: UnsafeMutablePointer<Float>,
        means: UnsafeMutablePointer<Float>, squares: UnsafeMutablePointer<Float>,
        averages: UnsafeMutablePointer<Float>, count: Int
    ) {
        table.pointee.adam(step, gradient, weights, means, squares, averages, count)
    }
}
