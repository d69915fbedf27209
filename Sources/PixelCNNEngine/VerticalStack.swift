// The vertical stack: what the rows above say. It reads no pixel of the current row, so it runs once a row, all columns
// together, and leaves for each block the initial accumulators of the horizontal stack.
//
// A k-wide window of channels-last columns is contiguous, so each kernel row is one matrix product on overlapping rows
// of the cache itself: nothing is gathered.

/// Computes vertical rows, with scratch memory for one row at a time. Owned by one thread.
final class VerticalStack {
    private let weights: PackedWeights
    private let kernels: Kernels
    private let geometry: Geometry

    private var widest = 0
    private var convolved = FloatBuffer(count: 0)  // u: (W, 2F in whole vectors)
    private var gated = FloatBuffer(count: 0)  // (W, F)

    init(weights: PackedWeights, kernels: Kernels, geometry: Geometry) {
        (self.weights, self.kernels, self.geometry) = (weights, kernels, geometry)
    }

    /// Makes room for rows of `width` columns, so that ``computeRow(_:of:)`` allocates nothing.
    func reserve(width: Int) {
        guard width > widest else { return }
        widest = width
        convolved = FloatBuffer(count: width * (2 * geometry.filters).roundedUpToLanes)
        gated = FloatBuffer(count: width * geometry.filters)
    }

    /// Row `row` of every block, from the rows above it: fills `toHorizontal` and the blocks' vertical inputs.
    func computeRow(_ row: Int, of cache: RowCache) {
        for block in 0..<geometry.blocks {
            convolve(block, row, cache)
            passToHorizontal(block, cache)
            // The last block's vertical output feeds nothing.
            if block + 1 < geometry.blocks { gateAndNormalize(block, row, cache) }
        }
    }

    private var u: Rows { Rows(base: convolved.base, stride: (2 * geometry.filters).roundedUpToLanes) }

    /// u = v_conv(input): kernel row i lies on row r − p + i; rows above the image are zero and add nothing.
    private func convolve(_ block: Int, _ row: Int, _ cache: RowCache) {
        u.base.update(repeating: 0, count: cache.width * u.stride)
        for (i, matrix) in weights.blocks[block].vertical.enumerated() where row - geometry.padding + i >= 0 {
            let input = cache.verticalInput(
                block: block, row: row - geometry.padding + i, column: -geometry.padding)
            kernels.accumulate(matrix, Rows(base: input, stride: geometry.filters), into: u, count: cache.width)
        }
    }

    /// a = v1toh(u1), b = v2toh(u2), before the gate. Input group by input group, each into its own and later groups.
    private func passToHorizontal(_ block: Int, _ cache: RowCache) {
        let (half, group) = (geometry.half, geometry.group)
        let accumulators = Rows(base: cache.toHorizontal(block: block, column: 0), stride: 2 * half)
        accumulators.base.update(repeating: 0, count: cache.width * 2 * half)
        let packed = weights.blocks[block]
        for j in 0..<geometry.channels {
            kernels.accumulate(
                packed.verticalToTanh[j], u + j * group, into: accumulators + j * group, count: cache.width)
            kernels.accumulate(
                packed.verticalToSigmoid[j], u + (geometry.filters + j * group),
                into: accumulators + (half + j * group), count: cache.width)
        }
    }

    /// The next block's input: norm(tanh(u1) · σ(u2)), each colour group by itself.
    private func gateAndNormalize(_ block: Int, _ row: Int, _ cache: RowCache) {
        let (filters, group) = (geometry.filters, geometry.group)
        let gates = Rows(base: gated.base, stride: filters)
        kernels.gate(u, u + filters, into: gates, channels: filters, count: cache.width)
        let output = Rows(base: cache.verticalInput(block: block + 1, row: row, column: 0), stride: filters)
        for c in 0..<geometry.channels {
            kernels.normalize(
                gates + c * group, weights.blocks[block].verticalNorm, into: output + c * group, count: cache.width)
        }
    }
}
