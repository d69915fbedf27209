// v_conv, two thirds of all work. A window of three columns goes through Winograd's F(2, 3) along the row: two columns
// from four products instead of six, which saves a third of the multiply-adds at an error no larger. Tiles of two
// columns lie at even columns of the image, so that a column's sums are the same in whatever piece it is computed.
//
// Other windows: k channels-last columns are contiguous, so each kernel row is one matrix product on overlapping rows
// of the cache itself.

/// u = v_conv(input), and what `v_label` adds, for pieces of a row, with scratch memory for one piece at a time. Owned
/// by one thread.
final class VerticalConvolution {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let geometry: Geometry

    private var convolved = FloatBuffer(count: 0)  // u: (columns, 2F in whole vectors)
    private var inputs = FloatBuffer(count: 0)  // F(2, 3) of one kernel row: (4, tiles, F)
    private var products = FloatBuffer(count: 0)  // F(2, 3), kernel rows added up: (4, tiles, 2F in whole vectors)

    init(engine: Engine) {
        self.engine = engine
        (weights, kernels, geometry) = (engine.weights, engine.kernels, engine.geometry)
    }

    /// Makes room for pieces of `columns` columns, so that computing allocates nothing.
    func reserve(columns: Int) {
        let tiles = columns / 2 + 1  // one more where a piece begins and ends at odd columns
        convolved = FloatBuffer(count: 2 * tiles * stride)
        guard geometry.usesWinograd else { return }
        inputs = FloatBuffer(count: 4 * tiles * geometry.filters)
        products = FloatBuffer(count: 4 * tiles * stride)
    }

    /// A row of u, (2F), for each of the piece's columns; valid until the next call. Kernel row i lies on row r − p +
    /// i; rows above the image are zero and add nothing.
    func compute(_ piece: VerticalPiece, of cache: RowCache, label: Int?) -> Rows {
        geometry.usesWinograd ? computeTiles(piece, cache, label) : computeWindows(piece, cache, label)
    }

    private var stride: Int { (2 * geometry.filters).roundedUpToLanes }
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
        let (tiles, filters) = ((count + 1) / 2, geometry.filters)
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
        let row = piece.row - geometry.padding + i
        guard row >= 0 else { return nil }
        let base = cache.verticalInput(block: piece.block, row: row, column: column - geometry.padding)
        return Rows(base: base, stride: geometry.filters)
    }
}
