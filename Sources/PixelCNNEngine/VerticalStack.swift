// The vertical stack: what the rows above say. It reads no pixel of the current row, so it runs once per row, all
// columns together, and leaves for each block the initial accumulators of the horizontal stack. v_conv, two thirds of
// all work, goes through Winograd's F(2, 3) where its window has three columns. A row comes in pieces, which a second
// thread may compute while the row above is still being drawn; the wavefront says which pieces are due.

import PixelCNNKernels

/// Computes pieces of vertical rows, with scratch memory for one piece at a time. Owned by one thread.
final class VerticalStack {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let sizes: NetworkSizes

    private var widest = 0
    private let convolution: VerticalConvolution
    private var gated = FloatBuffer(count: 0)  // (columns, F)

    init(engine: Engine) {
        self.engine = engine
        weights = engine.weights
        kernels = engine.kernels
        sizes = engine.sizes
        convolution = VerticalConvolution(engine: engine)
    }

    /// Makes room for pieces of `columns` columns, so that computing allocates nothing.
    func reserve(columns: Int) {
        guard columns > widest else { return }
        widest = columns
        convolution.reserve(columns: columns)
        gated = FloatBuffer(count: columns * sizes.filters)
    }

    /// One piece of an image of class `label`: reads the block's vertical input, writes its share of `toHorizontal` and
    /// the next block's input. A row whose pixels are all given has no use for `toHorizontal`.
    func compute(_ piece: VerticalPiece, of cache: RowCache, label: Int?, passingToHorizontal: Bool = true) {
        // The last block's vertical output feeds nothing but the horizontal stack.
        let feedsNextBlock = piece.block + 1 < sizes.blocks
        guard passingToHorizontal || feedsNextBlock else { return }
        let u = convolution.compute(piece, of: cache, label: label)
        if passingToHorizontal { passToHorizontal(u, piece, cache, label) }
        if feedsNextBlock { gateAndNormalize(u, piece, cache) }
    }

    /// a = v1toh(u1), b = v2toh(u2), before the gate, with what `h_label` adds. Input group by input group, each into
    /// its own and later groups.
    private func passToHorizontal(_ u: Rows, _ piece: VerticalPiece, _ cache: RowCache, _ label: Int?) {
        let (half, group, count) = (sizes.featureRoom, sizes.group, piece.columns.count)
        let accumulators = cache.toHorizontal(block: piece.block, column: piece.columns.lowerBound)
        let packed = weights.blocks[piece.block]
        if let labels = packed.labels, let label {
            accumulators.fill(count, with: labels.horizontal(label), length: 2 * half)
        } else {
            accumulators.base.update(repeating: 0, count: count * 2 * half)
        }
        for j in 0..<sizes.channels {
            kernels.accumulate(packed.verticalToTanh[j], u + j * group, into: accumulators + j * group, count: count)
            kernels.accumulate(
                packed.verticalToSigmoid[j], u + (sizes.filters + j * group),
                into: accumulators + (half + j * group), count: count)
        }
    }

    /// The next block's input: norm(tanh(u1) · σ(u2)), each colour group by itself.
    private func gateAndNormalize(_ u: Rows, _ piece: VerticalPiece, _ cache: RowCache) {
        let (filters, group, count) = (sizes.filters, sizes.group, piece.columns.count)
        let gates = Rows(base: gated.base, stride: filters)
        kernels.gate(u, u + filters, into: gates, channels: filters, count: count)
        let output = cache.verticalInput(block: piece.block + 1, row: piece.row, column: piece.columns.lowerBound)
        let norm = weights.blocks[piece.block].verticalNorm
        for c in 0..<sizes.channels {
            kernels.normalize(
                gates + c * group, weight: norm.weight.base, bias: norm.bias.base, into: output + c * group,
                channels: group, count: count)
        }
    }
}

// MARK: - v_conv

/// u = v_conv(input), and what `v_label` adds, for pieces of a row, with scratch memory for one piece at a time. Owned
/// by one thread.
///
/// A window of three columns goes through F(2, 3) along the row: two columns from four products instead of six, which
/// saves a third of the multiply-adds at an error no larger. Tiles of two columns lie at even columns of the image, so
/// that a column's sums are the same in whatever piece it is computed. Of other windows, the k channels-last columns
/// are contiguous, so each kernel row is one matrix product on overlapping rows of the cache itself.
private final class VerticalConvolution {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let sizes: NetworkSizes

    private var convolved = FloatBuffer(count: 0)  // u: (columns, 2F in whole vectors)
    private var inputs = FloatBuffer(count: 0)  // F(2, 3) of one kernel row: (4, tiles, F)
    private var products = FloatBuffer(count: 0)  // F(2, 3), kernel rows added up: (4, tiles, 2F in whole vectors)

    init(engine: Engine) {
        self.engine = engine
        weights = engine.weights
        kernels = engine.kernels
        sizes = engine.sizes
    }

    /// Makes room for pieces of `columns` columns, so that computing allocates nothing.
    func reserve(columns: Int) {
        let tiles = columns / 2 + 1  // one more where a piece begins and ends at odd columns
        convolved = FloatBuffer(count: 2 * tiles * stride)
        guard sizes.usesWinograd else { return }
        inputs = FloatBuffer(count: 4 * tiles * sizes.filters)
        products = FloatBuffer(count: 4 * tiles * stride)
    }

    /// A row of u, (2F), for each of the piece's columns; valid until the next call. Kernel row i lies on row r − p +
    /// i; rows above the image are zero and add nothing.
    func compute(_ piece: VerticalPiece, of cache: RowCache, label: Int?) -> Rows {
        sizes.usesWinograd ? computeTiles(piece, cache, label) : computeWindows(piece, cache, label)
    }

    private var stride: Int { sizes.preactivations }
    private var u: Rows { Rows(base: convolved.base, stride: stride) }

    private func computeWindows(_ piece: VerticalPiece, _ cache: RowCache, _ label: Int?) -> Rows {
        let count = piece.columns.count
        let packed = weights.blocks[piece.block]
        if let labels = packed.labels, let label {
            u.fill(count, with: labels.vertical(label), length: stride)
        } else {
            u.base.update(repeating: 0, count: count * stride)
        }
        for (i, matrix) in packed.vertical.enumerated() {
            guard let input = input(kernelRow: i, column: piece.columns.lowerBound, piece, cache) else { continue }
            kernels.accumulate(matrix, input, into: u, count: count)
        }
        return u
    }

    /// From the even column at or before the piece's first.
    private func computeTiles(_ piece: VerticalPiece, _ cache: RowCache, _ label: Int?) -> Rows {
        let lead = piece.columns.lowerBound % 2
        let count = lead + piece.columns.count
        let (tiles, filters) = ((count + 1) / 2, sizes.filters)
        let packed = weights.blocks[piece.block]
        products.base.update(repeating: 0, count: 4 * tiles * stride)
        if let labels = packed.labels, let label {
            // Both columns of a tile have the product m1 once, and with its sign.
            Rows(base: products.base + tiles * stride, stride: stride)
                .fill(tiles, with: labels.vertical(label), length: stride)
        }
        let matrices = packed.vertical
        for i in 0..<matrices.count / 4 {
            guard let input = input(kernelRow: i, column: piece.columns.lowerBound - lead, piece, cache) else {
                continue
            }
            kernels.winogradInputs(input, into: inputs.base, channels: filters, count: count)
            for position in 0..<4 {
                kernels.accumulate(
                    matrices[4 * i + position], Rows(base: inputs.base + position * tiles * filters, stride: filters),
                    into: Rows(base: products.base + position * tiles * stride, stride: stride), count: tiles)
            }
        }
        kernels.winogradOutputs(products.base, into: u, channels: stride, count: count)
        return u + lead * stride
    }

    /// The columns that kernel row `i` reads for `column` and those after it; nil above the image.
    private func input(kernelRow i: Int, column: Int, _ piece: VerticalPiece, _ cache: RowCache) -> Rows? {
        let row = piece.row - sizes.padding + i
        guard row >= 0 else { return nil }
        return cache.verticalInput(block: piece.block, row: row, column: column - sizes.padding)
    }
}

// MARK: - The order of pieces

/// A piece of the vertical stack's work: some columns of one block.
struct VerticalPiece {
    let row: Int
    let block: Int
    let columns: Range<Int>
}

/// How far the vertical rows of one image have come, in order, as pieces. A column of a block reads the block before it
/// up to p columns further right, so a row can follow the pixels of the row above, block by block, before that row is
/// complete: that is what a second thread does while the first one draws pixels.
///
/// Counts pixels and columns from the image's first on, row by row.
struct VerticalWavefront {
    private let height: Int
    private let width: Int
    private let padding: Int

    private var row: Int
    private var done: [Int]  // (L): columns of `row` that each block has
    /// The block that is next in a sweep from the first block to the last; nil between sweeps.
    private var sweep: Int?

    /// Begins with row `row`; those above are there.
    init(sizes: NetworkSizes, height: Int, width: Int, row: Int = 0) {
        self.height = height
        self.width = width
        self.row = row
        padding = sizes.padding
        done = Array(repeating: 0, count: sizes.blocks)
    }

    /// Columns that every block has: the pixels that the horizontal stack may take on.
    var ready: Int { row * width + done[done.count - 1] }

    /// The next piece that `drawn` pixels allow, of `most` columns at most; nil where there is none. A sweep begins
    /// where the first block can go `least` columns further, or to the row's end.
    mutating func nextPiece(drawn: Int, least: Int, most: Int) -> VerticalPiece? {
        while row < height {
            guard let block = sweep else {
                let reach = reach(of: 0, drawn)
                guard reach == width || reach - done[0] >= least else { return nil }
                sweep = 0
                continue
            }
            let last = min(reach(of: block, drawn), done[block] + min(most, width))
            if last > done[block] { return VerticalPiece(row: row, block: block, columns: done[block]..<last) }
            endBlock(block)
        }
        return nil
    }

    /// Notes that a piece has been computed.
    mutating func complete(_ piece: VerticalPiece) {
        done[piece.block] = piece.columns.upperBound
    }

    /// The columns of `row` that block `block` could have.
    private func reach(of block: Int, _ drawn: Int) -> Int {
        let input =
            if block > 0 { done[block - 1] } else if row == 0 { width } else { min(drawn - (row - 1) * width, width) }
        return input == width ? width : max(input - padding, 0)
    }

    private mutating func endBlock(_ block: Int) {
        if block + 1 < done.count {
            sweep = block + 1
        } else {
            sweep = nil
            if done[block] == width {
                row += 1
                for block in done.indices { done[block] = 0 }
            }
        }
    }
}
