// Convolutions of pieces of a row, for the vertical stack: F(2, 3) where the window has three columns, else a product
// per window.

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
    private var above = FloatBuffer(count: 0)  // sums over the rows above, of a whole row: (stages, 4, tiles, outputs)

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
    /// zero and add nothing. `stageOfSums` is the stage, if its sums over the rows above are there.
    func compute(
        _ layer: PackedConvolution, of ring: Int, row: Int, _ columns: Range<Int>, _ cache: RowCache,
        start: UnsafePointer<Float>?, stageOfSums: Int? = nil
    ) -> Rows {
        guard layer.usesWinograd else { return computeWindows(layer, ring, row, columns, cache, start) }
        let above = stageOfSums.map { sumsAbove(layer, stage: $0, width: cache.layout.width) }
        return computeTiles(layer, ring, row, columns, cache, start, above)
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
        // There are no rows above.
        if start.stride == 0 { u.fill(count, with: start.base, length: u.stride) }
        return u
    }

    /// From the even column at or before the piece's first. Where the rows above have been added up, it goes on from
    /// there.
    private func computeTiles(
        _ layer: PackedConvolution, _ ring: Int, _ row: Int, _ columns: Range<Int>, _ cache: RowCache,
        _ start: UnsafePointer<Float>?, _ above: TileSums?
    ) -> Rows {
        let lead = columns.lowerBound % 2
        let count = lead + columns.count
        let (u, stride) = (scratch(of: layer), layer.stride)
        let sums = TileSums(base: products.base, position: (count + 1) / 2 * stride, stride: stride)
        var first = above?.dropFirst(columns.lowerBound / 2)
        let firstRow = above == nil ? -row : 0
        for (i, window) in layer.windows.enumerated() where window.row >= firstRow {
            let input = cache.ring(ring, row: row + window.row, column: columns.lowerBound - lead + window.column)
            multiplyTiles(layer, window: i, input, from: first, or: start, into: sums, columns: count)
            first = sums
        }
        if first == nil {
            // There are no rows above.
            u.fill(count, with: start ?? engine.weights.zeros, length: stride)
        } else {
            kernels.winogradOutputs(products.base, into: u, channels: stride, count: count)
        }
        return u + lead * stride
    }

    /// One window's products, added to `first`, or to what the convolution starts from.
    private func multiplyTiles(
        _ layer: PackedConvolution, window: Int, _ input: Rows, from first: TileSums?,
        or start: UnsafePointer<Float>?, into sums: TileSums, columns: Int
    ) {
        let (tiles, channels) = ((columns + 1) / 2, layer.inputs)
        kernels.winogradInputs(input, into: inputs.base, channels: channels, count: columns)
        for position in 0..<4 {
            // Both columns of a tile have the product m1 once, and with its sign.
            let start = Rows(repeating: position == 1 ? start ?? engine.weights.zeros : engine.weights.zeros)
            kernels.multiply(
                layer.matrices[4 * window + position],
                Rows(base: inputs.base + position * tiles * channels, stride: channels),
                from: first?[position] ?? start, into: sums[position], count: tiles)
        }
    }

    // MARK: - Rows above, ahead of the rest

    /// Makes room for the sums over the rows above of all stages, for a row of `width` columns.
    func reserveAbove(width: Int) {
        let count = engine.shape.sumsAbove(width: width)
        if above.count < count { above = FloatBuffer(uninitializedCount: count) }
    }

    /// The sums over the rows above `row`, for these columns of a stage, which begin at an even one. Of the rows above
    /// one must be there. ``compute(_:of:row:_:_:start:stageOfSums:)`` goes on from the sums.
    func sumAbove(
        _ layer: PackedConvolution, stage: Int, of ring: Int, row: Int, _ columns: Range<Int>, _ cache: RowCache,
        start: UnsafePointer<Float>?
    ) {
        let sums = sumsAbove(layer, stage: stage, width: cache.layout.width).dropFirst(columns.lowerBound / 2)
        var first: TileSums?
        for (i, window) in layer.windows.enumerated() where window.row < 0 && row + window.row >= 0 {
            let input = cache.ring(ring, row: row + window.row, column: columns.lowerBound + window.column)
            multiplyTiles(layer, window: i, input, from: first, or: start, into: sums, columns: columns.count)
            first = sums
        }
    }

    private func sumsAbove(_ layer: PackedConvolution, stage: Int, width: Int) -> TileSums {
        let shape = engine.shape
        let first = stage * shape.sumsAbove(width: width) / shape.stageReach.count
        return TileSums(base: above.base + first, position: (width + 1) / 2 * layer.stride, stride: layer.stride)
    }
}

/// Sums of F(2, 3), (4, tiles, outputs in whole vectors).
private struct TileSums {
    let base: UnsafeMutablePointer<Float>
    /// Floats from one of the four to the next.
    let position: Int
    let stride: Int

    subscript(place: Int) -> Rows { Rows(base: base + place * position, stride: stride) }

    func dropFirst(_ tiles: Int) -> TileSums {
        TileSums(base: base + tiles * stride, position: position, stride: stride)
    }
}
