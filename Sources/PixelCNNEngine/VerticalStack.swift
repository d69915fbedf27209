// The vertical stack: what the rows above say. It reads no pixel of the current row, so it runs once per row, all
// columns together, and leaves for each block the initial accumulators of the horizontal stack. Convolutions, two
// thirds of all work, and the order of its pieces have files of their own.

import PixelCNNKernels

/// Computes pieces of vertical rows, with scratch memory for one piece at a time. Owned by one thread.
final class VerticalStack {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let shape: NetworkShape

    private var widest = 0
    private let convolution: VerticalConvolution
    private var gated = FloatBuffer(count: 0)  // (columns, F)

    init(engine: Engine) {
        self.engine = engine
        weights = engine.weights
        kernels = engine.kernels
        shape = engine.shape
        convolution = VerticalConvolution(engine: engine)
    }

    /// Makes room for pieces of `columns` columns, so that computing allocates nothing.
    func reserve(columns: Int) {
        guard columns > widest else { return }
        widest = columns
        convolution.reserve(columns: columns)
        gated = FloatBuffer(count: columns * filters)
    }

    /// Makes room for pieces of sums over the rows above, in images of `width` columns.
    func reserveAbove(width: Int) { convolution.reserveAbove(width: width) }

    /// Where the link of a block goes, (columns, 2 · room).
    enum LinkTarget {
        /// The image's row cache, for pixels that come later.
        case cache
        case rows(Rows)
        /// Nowhere: the row's pixels are all given.
        case none
    }

    /// One piece of an image of class `label`: reads the block's vertical input, writes its link and the next block's
    /// input; or only the sums over the rows above.
    func compute(_ piece: VerticalPiece, of cache: RowCache, label: Int?, linkTo target: LinkTarget = .cache) {
        guard let block = shape.block(ofStage: piece.stage) else { return computeStem(piece, cache) }
        let links = if case .none = target { false } else { true }
        // The last block's vertical output feeds nothing but the horizontal stack.
        let feedsNextBlock = block + 1 < shape.blocks
        let work = Work(
            block: block, columns: piece.columns, cache: cache, label: label, packed: weights.blocks[block],
            rings: shape.blockRings[block], stageOfSums: piece.part == .rest ? piece.stage : nil)
        if piece.part == .above {
            return convolution.sumAbove(
                work.packed.vertical, stage: piece.stage, of: work.rings.input, row: piece.row, piece.columns, cache,
                start: work.packed.verticalStart?.row(label))
        }
        switch work.packed.order {
        case .thisRow:
            guard links || feedsNextBlock else { return }
            let u = convolve(work, row: piece.row)
            if links { link(u, work, to: target) }
            if feedsNextBlock { gate(u, work, row: piece.row) }
        case .rowAbove:
            guard links || feedsNextBlock else { return }
            let u = sumOfRow(piece.row - 1, work)
            if links { link(u, work, to: target) }
            if feedsNextBlock && piece.row > 0 { gate(u, work, row: piece.row - 1) }
        case .both:
            if piece.row > 0 { completeRow(piece.row - 1, work, feedsNextBlock: feedsNextBlock) }
            guard links || feedsNextBlock else { return }
            let u = convolveAgain(work, row: piece.row)
            if feedsNextBlock { keep(u, in: work.rings.convolved, row: piece.row, work) }
            if links { link(u, work, to: target) }
        }
    }

    private struct Work {
        let block: Int
        let columns: Range<Int>
        let cache: RowCache
        let label: Int?
        let packed: PackedBlock
        let rings: NetworkShape.BlockRings
        /// The stage, where its sums over the rows above are there.
        let stageOfSums: Int?

        var count: Int { columns.count }

        func ring(_ ring: Int, row: Int) -> Rows { cache.ring(ring, row: row, column: columns.lowerBound) }
    }

    private var filters: Int { shape.features.channels }

    // MARK: - Steps of a block

    /// u = vertical convolution of the block's input, with what it starts from.
    private func convolve(_ work: Work, row: Int) -> Rows {
        convolution.compute(
            work.packed.vertical, of: work.rings.input, row: row, work.columns, work.cache,
            start: (work.packed.second == nil ? work.packed.verticalStart : work.packed.betweenStart)?.row(work.label),
            stageOfSums: work.stageOfSums)
    }

    /// The second of two convolutions.
    private func convolveAgain(_ work: Work, row: Int) -> Rows {
        guard let second = work.packed.second else { return convolve(work, row: row) }
        return convolution.compute(
            second, of: work.rings.between, row: row, work.columns, work.cache,
            start: work.packed.verticalStart?.row(work.label))
    }

    /// All that goes into the gate of a complete row; above the image, what the link reads there.
    private func sumOfRow(_ row: Int, _ work: Work) -> Rows {
        if row < 0, let first = work.packed.firstSource {
            let u = convolution.scratch(of: work.packed.vertical)
            u.fill(work.count, with: first.row(work.label), length: u.stride)
            return u
        }
        let u = convolve(work, row: row)
        addPoint(to: u, work, row: row)
        return u
    }

    /// What of a row had to wait until it was complete: the first of two convolutions, and the gate.
    private func completeRow(_ row: Int, _ work: Work, feedsNextBlock: Bool) {
        if work.packed.second != nil {
            keep(convolve(work, row: row), in: work.rings.between, row: row, work)
        }
        guard feedsNextBlock else { return }
        let u = convolution.scratch(of: work.packed.second ?? work.packed.vertical)
        let kept = work.ring(work.rings.convolved, row: row)
        for column in 0..<work.count { u[column].update(from: kept[column], count: kept.stride) }
        addPoint(to: u, work, row: row)
        gate(u, work, row: row)
    }

    private func addPoint(to u: Rows, _ work: Work, row: Int) {
        guard let point = work.packed.point else { return }
        kernels.accumulate(point, work.ring(work.rings.input, row: row), into: u, count: work.count)
    }

    private func keep(_ y: Rows, in ring: Int, row: Int, _ work: Work) {
        let kept = work.ring(ring, row: row)
        for column in 0..<work.count { kept[column].update(from: y[column], count: kept.stride) }
    }

    /// What the horizontal stack's pre-activations start from: the link of u, before the gate, with biases and what the
    /// class adds.
    private func link(_ u: Rows, _ work: Work, to target: LinkTarget) {
        let accumulators =
            if case .rows(let rows) = target {
                rows
            } else {
                work.cache.toHorizontal(block: work.block, column: work.columns.lowerBound)
            }
        let start = work.packed.horizontalStart?.row(work.label) ?? weights.zeros
        for (i, part) in work.packed.link.enumerated() {
            // The first part of each half writes all of it.
            kernels.multiply(
                part.matrix, u + part.input,
                from: (i < 2 ? Rows(repeating: start) : accumulators) + part.output, into: accumulators + part.output,
                count: work.count)
        }
    }

    /// The next block's input: norm(tanh(u1) · σ(u2)), with the residual where there is one.
    private func gate(_ u: Rows, _ work: Work, row: Int) {
        let (packed, count) = (work.packed, work.count)
        if let more = packed.afterLink {
            kernels.add(
                Rows(base: UnsafeMutablePointer(mutating: more.row(work.label)), stride: 0), into: u,
                channels: 2 * filters, count: count)
        }
        let output = work.ring(shape.blockRings[work.block + 1].input, row: row)
        let norm = packed.verticalNorm
        let gates = norm.kind == .none ? output : Rows(base: gated.base, stride: filters)
        kernels.gate(u, u + filters, into: gates, channels: filters, count: count)
        if packed.hasVerticalResidual {
            kernels.add(work.ring(work.rings.input, row: row), into: gates, channels: filters, count: count)
        }
        switch norm.kind {
        case .none: break
        case .layer:
            for c in 0..<shape.features.count {
                let start = shape.features.start(c)
                kernels.normalize(
                    gates + start, weight: norm.weight.base, bias: norm.bias.base, into: output + start,
                    channels: shape.features.size(c), count: count)
            }
        case .scale:
            kernels.scale(
                gates, weight: norm.weight.base, bias: norm.bias.base, into: output, channels: filters, count: count)
        }
    }

    /// The first block's input, where the vertical stack has a convolution of its own before it.
    private func computeStem(_ piece: VerticalPiece, _ cache: RowCache) {
        guard let stem = weights.input.vertical else { return }
        let y = convolution.compute(
            stem, of: 0, row: piece.row, piece.columns, cache, start: weights.input.verticalStart?.row(nil))
        let output = cache.ring(shape.blockRings[0].input, row: piece.row, column: piece.columns.lowerBound)
        for column in 0..<piece.columns.count { output[column].update(from: y[column], count: output.stride) }
    }
}
