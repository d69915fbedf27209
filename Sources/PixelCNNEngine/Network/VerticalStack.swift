// The vertical stack: what the rows above say. It reads no pixel of the current row, so it runs once a row, columns
// together, and leaves for each block the initial accumulators of the horizontal stack.

/// Computes pieces of vertical rows, with scratch memory for one piece at a time. Owned by one thread.
final class VerticalStack {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let geometry: Geometry

    private var widest = 0
    private let convolution: VerticalConvolution
    private var gated = FloatBuffer(count: 0)  // (columns, F)

    init(engine: Engine) {
        self.engine = engine
        (weights, kernels, geometry) = (engine.weights, engine.kernels, engine.geometry)
        convolution = VerticalConvolution(engine: engine)
    }

    /// Makes room for pieces of `columns` columns, so that computing allocates nothing.
    func reserve(columns: Int) {
        guard columns > widest else { return }
        widest = columns
        convolution.reserve(columns: columns)
        gated = FloatBuffer(count: columns * geometry.filters)
    }

    /// One piece of an image of class `label`: reads the block's vertical input, writes its share of `toHorizontal` and
    /// the next block's input. A row whose pixels are all given has no use for `toHorizontal`.
    func compute(_ piece: VerticalPiece, of cache: RowCache, label: Int?, passingToHorizontal: Bool = true) {
        // The last block's vertical output feeds nothing but the horizontal stack.
        let feedsNextBlock = piece.block + 1 < geometry.blocks
        guard passingToHorizontal || feedsNextBlock else { return }
        let u = convolution.compute(piece, of: cache, label: label)
        if passingToHorizontal { passToHorizontal(u, piece, cache, label) }
        if feedsNextBlock { gateAndNormalize(u, piece, cache) }
    }

    /// a = v1toh(u1), b = v2toh(u2), before the gate, with what `h_label` adds. Input group by input group, each into
    /// its own and later groups.
    private func passToHorizontal(_ u: Rows, _ piece: VerticalPiece, _ cache: RowCache, _ label: Int?) {
        let (half, group, count) = (geometry.half, geometry.group, piece.columns.count)
        let first = cache.toHorizontal(block: piece.block, column: piece.columns.lowerBound)
        let accumulators = Rows(base: first, stride: 2 * half)
        let packed = weights.blocks[piece.block]
        if let labels = packed.labels, let label {
            accumulators.fill(count, with: labels.horizontal(label), length: 2 * half)
        } else {
            accumulators.base.update(repeating: 0, count: count * 2 * half)
        }
        for j in 0..<geometry.channels {
            kernels.accumulate(packed.verticalToTanh[j], u + j * group, into: accumulators + j * group, count: count)
            kernels.accumulate(
                packed.verticalToSigmoid[j], u + (geometry.filters + j * group),
                into: accumulators + (half + j * group), count: count)
        }
    }

    /// The next block's input: norm(tanh(u1) · σ(u2)), each colour group by itself.
    private func gateAndNormalize(_ u: Rows, _ piece: VerticalPiece, _ cache: RowCache) {
        let (filters, group, count) = (geometry.filters, geometry.group, piece.columns.count)
        let gates = Rows(base: gated.base, stride: filters)
        kernels.gate(u, u + filters, into: gates, channels: filters, count: count)
        let first = cache.verticalInput(block: piece.block + 1, row: piece.row, column: piece.columns.lowerBound)
        let output = Rows(base: first, stride: filters)
        for c in 0..<geometry.channels {
            kernels.normalize(
                gates + c * group, weights.blocks[piece.block].verticalNorm, into: output + c * group, count: count)
        }
    }
}
