// The vertical stack: what the rows above say. It reads no pixel of the current row, so it runs once per row, all
// columns together, and leaves for each block the initial accumulators of the horizontal stack. Convolutions, two
// thirds of all work, go through Winograd's F(2, 3) where their window has three columns. A row comes in pieces, which
// a second thread may compute while the row above is still being drawn; the wavefront says which pieces are due.

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

    /// One piece of an image of class `label`: reads the block's vertical input, writes its share of `toHorizontal` and
    /// the next block's input. A row whose pixels are all given has no use for `toHorizontal`.
    func compute(_ piece: VerticalPiece, of cache: RowCache, label: Int?, passingToHorizontal: Bool = true) {
        guard let block = shape.block(ofStage: piece.stage) else { return computeStem(piece, cache) }
        // The last block's vertical output feeds nothing but the horizontal stack.
        let feedsNextBlock = block + 1 < shape.blocks
        let work = Work(
            block: block, columns: piece.columns, cache: cache, label: label, packed: weights.blocks[block],
            rings: shape.blockRings[block])
        switch work.packed.order {
        case .thisRow:
            guard passingToHorizontal || feedsNextBlock else { return }
            let u = convolve(work, row: piece.row)
            if passingToHorizontal { link(u, work) }
            if feedsNextBlock { gate(u, work, row: piece.row) }
        case .rowAbove:
            guard passingToHorizontal || feedsNextBlock else { return }
            let u = sumOfRow(piece.row - 1, work)
            if passingToHorizontal { link(u, work) }
            if feedsNextBlock && piece.row > 0 { gate(u, work, row: piece.row - 1) }
        case .both:
            if piece.row > 0 { completeRow(piece.row - 1, work, feedsNextBlock: feedsNextBlock) }
            guard passingToHorizontal || feedsNextBlock else { return }
            let u = convolveAgain(work, row: piece.row)
            if feedsNextBlock { keep(u, in: work.rings.convolved, row: piece.row, work) }
            if passingToHorizontal { link(u, work) }
        }
    }

    private struct Work {
        let block: Int
        let columns: Range<Int>
        let cache: RowCache
        let label: Int?
        let packed: PackedBlock
        let rings: NetworkShape.BlockRings

        var count: Int { columns.count }

        func ring(_ ring: Int, row: Int) -> Rows { cache.ring(ring, row: row, column: columns.lowerBound) }
    }

    private var filters: Int { shape.features.channels }

    // MARK: - Steps of a block

    /// u = vertical convolution of the block's input, with what it starts from.
    private func convolve(_ work: Work, row: Int) -> Rows {
        convolution.compute(
            work.packed.vertical, of: work.rings.input, row: row, work.columns, work.cache,
            start: (work.packed.second == nil ? work.packed.verticalStart : work.packed.betweenStart)?.row(work.label))
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
    private func link(_ u: Rows, _ work: Work) {
        let accumulators = work.cache.toHorizontal(block: work.block, column: work.columns.lowerBound)
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

// MARK: - Convolutions

/// Convolutions of pieces of a row, with scratch memory for one piece at a time. Owned by one thread.
///
/// A window of three columns goes through F(2, 3) along the row: two columns from four products instead of six, which
/// saves a third of the multiply-adds at an error no larger. Tiles of two columns lie at even columns of the image, so
/// that a column's sums are the same in whatever piece it is computed. Of other windows, the channels-last columns are
/// contiguous, so each window is one matrix product on overlapping rows of the cache itself.
private final class VerticalConvolution {
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

// MARK: - The order of pieces

/// A piece of the vertical stack's work: some columns of one stage, which is a block or what stands before the blocks.
struct VerticalPiece {
    let row: Int
    let stage: Int
    let columns: Range<Int>
}

/// How far the pixels of an image are drawn: those before `pixel`, row by row, and the first columns of the row below.
struct DrawnPixels {
    let pixel: Int
    let columnsBelow: Int

    init(pixel: Int, columnsBelow: Int = 0) {
        self.pixel = pixel
        self.columnsBelow = columnsBelow
    }

    /// Complete columns of a row of `width`.
    fileprivate func columns(ofRow row: Int, width: Int) -> Int {
        switch row - pixel / width {
        case ..<0: width
        case 0: pixel % width
        case 1: columnsBelow
        default: 0
        }
    }
}

/// How far the vertical rows of one image have come, in order, as pieces. A column of a stage reads the one before it
/// some columns further right, so a row can follow the pixels of the row above, stage by stage, before that row is
/// complete: that is what a second thread does while the first one draws pixels. Two rows may be on their way: that
/// which follows the upper one of the rows that are drawn, and that which follows the lower one, further left.
struct VerticalWavefront {
    private let height: Int
    private let width: Int
    private let reaches: ConstantList<Int>  // the engine's, as the image's cache is
    private let rows: Int  // at a time

    private var row: Int
    /// Columns that each stage has: [2] × (stages), of `row` and of the one below.
    private var done: [Int]
    /// Which of both is in a sweep from the first stage to the last, and the stage that is next; nil between sweeps.
    private var sweep: (place: Int, stage: Int)?

    /// Begins with row `row`; those above are there.
    init(shape: NetworkShape, height: Int, width: Int, row: Int = 0) {
        self.height = height
        self.width = width
        self.row = row
        reaches = shape.stageReach
        rows = shape.rowsMayOverlap ? 2 : 1
        done = Array(repeating: 0, count: 2 * reaches.count)
    }

    /// The pixels that the horizontal stack may take on: those before `ready`, whose columns every stage has.
    var ready: Int { row * width + done[reaches.count - 1] }

    /// Likewise of the row below that of `ready`, alone.
    var readyBelow: Int { (row + 1) * width + done[2 * reaches.count - 1] }

    /// The next piece that the drawn pixels allow, of `most` columns at most; nil where there is none. A sweep begins
    /// where the first stage can go `least` columns further, or to the row's end.
    mutating func nextPiece(drawn: DrawnPixels, least: Int, most: Int) -> VerticalPiece? {
        while row < height {
            guard let (place, stage) = sweep else {
                guard let place = (0..<rows).first(where: { canSweep($0, drawn, least) }) else { return nil }
                sweep = (place, 0)
                continue
            }
            let columns = done[place * reaches.count + stage]
            let last = min(reach(of: stage, place, drawn), columns + min(most, width))
            if last > columns { return VerticalPiece(row: row + place, stage: stage, columns: columns..<last) }
            endStage(place, stage)
        }
        return nil
    }

    /// Notes that a piece has been computed.
    mutating func complete(_ piece: VerticalPiece) {
        done[(piece.row - row) * reaches.count + piece.stage] = piece.columns.upperBound
    }

    private func canSweep(_ place: Int, _ drawn: DrawnPixels, _ least: Int) -> Bool {
        guard row + place < height else { return false }
        let reach = reach(of: 0, place, drawn)
        return reach == width || reach - done[place * reaches.count] >= least
    }

    /// The columns that a stage could have.
    private func reach(of stage: Int, _ place: Int, _ drawn: DrawnPixels) -> Int {
        let above = row + place - 1
        let input =
            if stage > 0 {
                done[place * reaches.count + stage - 1]
            } else {
                above < 0 ? width : drawn.columns(ofRow: above, width: width)
            }
        return input == width ? width : max(input - reaches[stage], 0)
    }

    private mutating func endStage(_ place: Int, _ stage: Int) {
        guard stage + 1 == reaches.count else {
            sweep = (place, stage + 1)
            return
        }
        sweep = nil
        guard done[stage] == width else { return }
        row += 1
        for stage in 0..<reaches.count {
            done[stage] = done[reaches.count + stage]
            done[reaches.count + stage] = 0
        }
    }
}

extension NetworkShape {
    /// The block that a stage of the vertical stack is; nil for what stands before the blocks.
    func block(ofStage stage: Int) -> Int? {
        guard hasVerticalStem else { return stage }
        return stage == 0 ? nil : stage - 1
    }
}
