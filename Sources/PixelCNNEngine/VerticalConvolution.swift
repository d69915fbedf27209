// Convolutions of pieces of a row, for the vertical stack: F(2, 3) where the window has three columns, else a product per
// window.

import PixelCNNKernels

/// Convolutions of pieces of a row, with scratch memory for one piece at a time. Owned by one thread.
///
/// A window of three columns goes through F(2, 3) along the row: two columns from four products instead of six, which
/// saves a third of the multiply-adds at an error no larger. Tiles of two columns lie at even columns of the image, so
/// that a column's sums are the same in whatever piece it is computed. Of other windows, the channels-last columns are
/// contiguous, so each window is one matrix product on overlapping rows of the cache itself.
final class VerticalConvolution {
    private let engine: Engine  // keeps the matrices
    private let kernels: Kernels
    private let widestInput: Int
    private let widestResult: Int
    private let usesWinograd: Bool

    private var convolved = FloatBuffer(count: 0)  // (columns, outputs in whole vectors)
    private var inputs = FloatBuffer(count: 0)  // F(2, 3) of one kernel row: (4, tiles, inputs)
    private var products = FloatBuffer(count: 0)  // F(2, 3), kernel rows added up: (4, tiles, outputs in whole vectors)

    init(engine: Engine) {
        self.engine = engine
        kernels = engine.kernels
        let blocks = engine.weights.blocks
        let layers =
            blocks.map(\.vertical) + blocks.compactMap(\.second) + [engine.weights.input.vertical].compactMap(\.self)
        widestInput = layers.map(\.inputs).max() ?? 0
        widestResult = layers.map(\.stride).max() ?? 0
        usesWinograd = layers.contains(where: \.usesWinograd)
    }

    /// Makes room for pieces of `columns` columns, so that computing allocates nothing.
    func reserve(columns: Int) {
        let tiles = columns / 2 + 1  // one more where a piece begins and ends at odd columns
        convolved = FloatBuffer(count: 2 * tiles * widestResult)
        guard usesWinograd else { return }
        inputs = FloatBuffer(count: 4 * tiles * widestInput)
        products = FloatBuffer(count: 4 * tiles * widestResult)
    }

    /// Where a result is; valid until the next call.
    func scratch(of layer: PackedConvolution) -> Rows { Rows(base: convolved.base, stride: layer.stride) }

    /// A row of outputs for each column, from `start` on, or zero; valid until the next call. Rows above the image are
    /// zero and add nothing.
    func compute(
        _ layer: PackedConvolution, of ring: Int, row: Int, _ columns: Range<Int>, _ cache: RowCache,
        start: UnsafePointer<Float>?
    ) -> Rows {
        layer.usesWinograd
            ? computeTiles(layer, ring, row, columns, cache, start)
            : computeWindows(layer, ring, row, columns, cache, start)
    }

    private func computeWindows(
        _ layer: PackedConvolution, _ ring: Int, _ row: Int, _ columns: Range<Int>, _ cache: RowCache,
        _ start: UnsafePointer<Float>?
    ) -> Rows {
        let (u, count) = (scratch(of: layer), columns.count)
        let first = Rows(repeating: start ?? engine.weights.zeros)
        var start = first
        for (i, window) in layer.windows.enumerated() where row + window.row >= 0 {
            let input = cache.ring(ring, row: row + window.row, column: columns.lowerBound + window.column)
            kernels.multiply(layer.matrices[i], input, from: start, into: u, count: count)
            start = u
        }
        // Of the rows above there is none.
        if start.stride == 0 { u.fill(count, with: start.base, length: u.stride) }
        return u
    }

    /// From the even column at or before the piece's first.
    private func computeTiles(
        _ layer: PackedConvolution, _ ring: Int, _ row: Int, _ columns: Range<Int>, _ cache: RowCache,
        _ start: UnsafePointer<Float>?
    ) -> Rows {
        let lead = columns.lowerBound % 2
        let count = lead + columns.count
        let (tiles, channels, stride) = ((count + 1) / 2, layer.inputs, layer.stride)
        let zeros = Rows(repeating: engine.weights.zeros)
        var isFirst = true
        for (i, window) in layer.windows.enumerated() where row + window.row >= 0 {
            let input = cache.ring(ring, row: row + window.row, column: columns.lowerBound - lead + window.column)
            kernels.winogradInputs(input, into: inputs.base, channels: channels, count: count)
            for position in 0..<4 {
                // Both columns of a tile have the product m1 once, and with its sign.
                let first = position == 1 ? start.map(Rows.init(repeating:)) ?? zeros : zeros
                let sums = Rows(base: products.base + position * tiles * stride, stride: stride)
                kernels.multiply(
                    layer.matrices[4 * i + position],
                    Rows(base: inputs.base + position * tiles * channels, stride: channels),
                    from: isFirst ? first : sums, into: sums, count: tiles)
            }
            isFirst = false
        }
        let u = scratch(of: layer)
        if isFirst {
            // Of the rows above there is none.
            u.fill(count, with: start ?? engine.weights.zeros, length: stride)
            return u + lead * stride
        }
        kernels.winogradOutputs(products.base, into: u, channels: stride, count: count)
        return u + lead * stride
    }
}
