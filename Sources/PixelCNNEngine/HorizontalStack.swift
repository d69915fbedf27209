// The horizontal stack and the head, for a batch of images, each at a pixel of its own. A pixel takes as many passes as
// there are colour groups: pass c computes colour group c of every feature, from groups ≤ c, so each weight is used
// once per pixel. What it reads of the rows above is an image's row cache, which it never writes.
//
// Only a few columns to the left are ever read again; they live beside the current column and shift by one when a pixel
// begins. Buffers are block by block, (image, …) inside, so that a kernel call walks over the batch.
//
// Where all values of a row are known, as in scores, the batch is of columns of the row instead: each has the others on
// its left. Then one block is computed after the other, with the same sums in the same order.

import PixelCNNKernels

/// The state of one pixel for each image of a batch, or of columns of a row. Owned by a session, whose helper thread
/// may prepare the next pixels of a lent image, and begin the logits of the next pass.
final class HorizontalStack {
    /// What a batch is of.
    enum Batch {
        /// A pixel of each image.
        case images
        /// Columns of one row, side by side.
        case columns
    }

    private let batch: Batch
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let shape: NetworkShape
    private let capacity: Int
    private let sumStride: Int

    private let patches: FloatBuffer  // (image, context + C): the values that the first layer sees
    /// Block by block (image, kept columns, channels), or (left columns, then those of the batch; channels); then the
    /// last output.
    private let features: FloatBuffer
    private let preactivations: FloatBuffer  // (blocks, image, C, pair); of columns for one block at a time
    private let nextPreactivations: FloatBuffer  // (blocks, 2, C, pair): of the next pixels, in part by a second thread
    private let gates: FloatBuffer  // (blocks, image, F); of columns for one block at a time
    private var takenVertical = FloatBuffer(count: 0)  // (blocks, W, 2 · room), of a row of columns
    private var isVerticalTaken = false
    private let link: FloatBuffer  // (columns, 2 · room): a block's, where it is passed on at once
    private let sums: FloatBuffer  // (image, widest group in whole vectors): a product on its way to a group
    private let skips: FloatBuffer  // (image, C, group in whole vectors): the sum of the blocks'
    private let headInputs: [FloatBuffer]  // [layers] × (image, channels)
    private let logits: FloatBuffer  // [even or odd pass] × (image, logits of a pass in whole vectors)
    private var labels: [Int?]  // [image]: classes of the images

    init(engine: Engine, capacity: Int, batch: Batch = .images) {
        self.engine = engine
        self.capacity = capacity
        self.batch = batch
        weights = engine.weights
        kernels = engine.kernels
        shape = engine.shape
        let (blocks, filters, head) = (shape.blocks, shape.features.channels, engine.weights.head)
        sumStride = max(shape.pair, head.hidden.map(\.stride).max() ?? 0)
        patches = FloatBuffer(count: capacity * shape.patchCount)
        // Products start from whole vectors of a group.
        features = FloatBuffer(count: capacity * shape.columnCount + Kernels.lanes)
        let blocksAtOnce = batch == .images ? blocks : 1
        preactivations = FloatBuffer(count: blocksAtOnce * capacity * shape.pairs)
        nextPreactivations = FloatBuffer(count: batch == .images ? blocks * 2 * shape.pairs : 0)
        gates = FloatBuffer(count: blocksAtOnce * capacity * filters)
        link = FloatBuffer(count: batch == .columns ? capacity * 2 * shape.featureRoom : 0)
        sums = FloatBuffer(count: capacity * sumStride)
        skips = FloatBuffer(count: capacity * shape.features.count * shape.skipRoom)
        headInputs = (0...head.hidden.count).map { i in
            FloatBuffer(count: capacity * (i == 0 ? filters : head.hidden[i - 1].outputs.channels))
        }
        logits = FloatBuffer(count: 2 * capacity * head.logits.stride)
        labels = Array(repeating: nil, count: capacity)
    }

    // MARK: - A pixel, in order: begin, then for each pass compute its group and its logits, and set its values.

    /// Image `slot`, of class `label`, begins pixel (row, column): shifts its left columns and takes in what is known
    /// before any value.
    func beginPixel(slot: Int, row: Int, column: Int, cache: RowCache, label: Int?) {
        labels[slot] = label
        shiftColumns(slot: slot, column: column)
        cache.gatherPatch(row: row, column: column, into: patchRows[slot])
        let pairs = Rows(base: pair(0, 0)[slot], stride: capacity * shape.pairs)
        takeVertical(column: column, of: cache, into: pairs)
    }

    /// The taps left of the pixel, all blocks and colour groups, of these slots' images.
    func addLeftTaps(_ slots: Range<Int>) {
        for block in 0..<shape.blocks { addLeftTaps(block, slots) }
    }

    @inline(__always)
    private func addLeftTaps(_ block: Int, _ slots: Range<Int>) {
        let (columns, pairs) = (columns(block).dropFirst(slots.lowerBound), pair(block, 0).dropFirst(slots.lowerBound))
        for c in 0..<shape.features.count {
            let left = weights.blocks[block].left[c]
            kernels.accumulate(left.matrix, columns + left.first, into: pairs, count: slots.count)
        }
    }

    /// Colour group `c` of the first layer and of every block, of the first `count` images.
    func computeGroup(_ c: Int, count: Int) {
        if !shape.blocksReadValues { computeInput(c, count) }
        beginSkips(c, count)
        for block in 0..<shape.blocks { computeGroup(c, block, count) }
    }

    /// Colour group `c` of the first layer.
    private func computeInput(_ c: Int, _ count: Int) {
        fill(sumRows, with: weights.input.start, from: c * shape.pair, length: shape.pair, count)
        engine.inputGroup(c, of: patchRows, sum: sumRows, into: current(0), count: count)
    }

    private func beginSkips(_ c: Int, _ count: Int) {
        if let start = weights.head.skipStart {
            fill(skipRows(c), with: start, from: c * shape.skipRoom, length: shape.skipRoom, count)
        }
    }

    /// Colour group `c` of a block, whose left taps are added.
    @inline(__always)
    private func computeGroup(_ c: Int, _ block: Int, _ count: Int) {
        let (first, group) = (shape.features.start(c), shape.features.size(c))
        let packed = weights.blocks[block]
        let (pair, centre) = (pair(block, c), packed.centre[c])
        kernels.accumulate(centre.matrix, columns(block) + centre.first, into: pair, count: count)
        kernels.gate(pair, pair + group, into: gates(block) + first, channels: group, count: count)
        if !packed.skip.isEmpty {
            kernels.accumulate(packed.skip[c], gates(block), into: skipRows(c), count: count)
        }
        if !packed.projection.isEmpty { project(c, block, packed, count) }
    }

    /// The block's output, group c: norm(projection of the gates + input).
    @inline(__always)
    private func project(_ c: Int, _ block: Int, _ packed: PackedBlock, _ count: Int) {
        let (first, group) = (shape.features.start(c), shape.features.size(c))
        let (residual, output) = (sumRows, current(block + 1) + first)
        var start = packed.hasResidual ? current(block) + first : Rows(repeating: weights.zeros)
        if let bias = packed.projectionBias {
            let bias = Rows(repeating: bias.row(nil) + first)
            if packed.hasResidual {
                for slot in 0..<count { residual[slot].update(from: start[slot], count: group) }
                kernels.add(bias, into: residual, channels: group, count: count)
                start = residual
            } else {
                start = bias
            }
        }
        kernels.multiply(packed.projection[c], gates(block), from: start, into: residual, count: count)
        let norm = packed.horizontalNorm
        switch norm.kind {
        case .layer:
            kernels.normalize(
                residual, weight: norm.weight.base, bias: norm.bias.base, into: output, channels: group, count: count)
        case .scale:
            kernels.scale(
                residual, weight: norm.weight.base + first, bias: norm.bias.base + first, into: output,
                channels: group, count: count)
        case .none:
            for slot in 0..<count { output[slot].update(from: residual[slot], count: group) }
        }
    }

    /// The logits of pass `c`, of the first `count` images: the head, group c.
    func computeLogits(_ c: Int, count: Int) {
        computeHidden(c, count: count)
        beginLogits(c, count: count)
        completeLogits(c, count: count)
    }

    /// Group c of what goes into the last layer.
    func computeHidden(_ c: Int, count: Int) {
        let head = weights.head
        var input = current(shape.blocks)
        if head.skipStart != nil {
            activate(
                skipRows(c), head.before, into: headInput(0), shape.features.start(c), shape.features.size(c), count)
            input = headInput(0)
        } else if head.before != .none {
            activate(
                input + shape.features.start(c), head.before, into: headInput(0), shape.features.start(c),
                shape.features.size(c), count)
            input = headInput(0)
        }
        for (i, layer) in head.hidden.enumerated() {
            let bias = Rows(repeating: layer.biases[c].base)
            kernels.multiply(layer.matrices[c], input, from: bias, into: sumRows, count: count)
            input = headInput(i + 1)
            activate(sumRows, layer.activation, into: input, layer.outputs.start(c), layer.outputs.size(c), count)
        }
    }

    /// What the logits of pass `c` start from: biases, and the groups before.
    func beginLogits(_ c: Int, count: Int) {
        let bias = Rows(repeating: weights.head.logits.biases[c].base)
        kernels.multiply(weights.head.logits.earlier[c], lastInput, from: bias, into: logitRows(c), count: count)
    }

    /// Adds group c.
    func completeLogits(_ c: Int, count: Int) {
        let logits = weights.head.logits
        kernels.accumulate(logits.own[c], lastInput + logits.inputs.start(c), into: logitRows(c), count: count)
    }

    /// `channels` of x, to those of y from `first` on.
    private func activate(
        _ x: Rows, _ activation: PackedInput.Activation, into y: Rows, _ first: Int, _ channels: Int, _ count: Int
    ) {
        engine.activate(x, activation, into: y + first, channels: channels, count: count)
    }

    /// Sets the value of channel `c` at image `slot`'s pixel, which later groups see.
    func setValue(_ value: Int, slot: Int, channel c: Int) {
        let pixel = shape.blocksReadValues ? current(0)[slot] : patchRows[slot] + shape.patchContext
        engine.write(value, channel: c, to: pixel)
    }

    /// Image `slot`'s logits (d) of channel `c`, one of those that the pass computed last draws.
    func logits(slot: Int, channel c: Int) -> UnsafePointer<Float> {
        let (pass, place) = shape.features.count == shape.channels ? (c, 0) : (0, c)
        return UnsafePointer(logitRows(pass)[slot] + place * shape.colors)
    }

    /// Image `slot`'s first features (F) at its pixel: the vertical stack's first input, where both start from it.
    func inputFeatures(slot: Int) -> UnsafePointer<Float> {
        UnsafePointer(current(0)[slot])
    }

    /// Moves an image's state to another slot, so that the images of a batch stay together.
    func move(from source: Int, to destination: Int) {
        for block in 0...shape.blocks {
            columns(block)[destination].update(from: columns(block)[source], count: shape.columns[block].stride)
        }
    }

    // MARK: - Columns of a row whose values are known

    /// Makes room for ``takeVertical(of:)`` of rows of `width` columns.
    func reserve(width: Int) {
        let count = shape.blocks * width * 2 * shape.featureRoom
        guard takenVertical.count < count else { return }
        // An image that came before may still read what it has taken.
        let wider = FloatBuffer(count: count)
        wider.base.update(from: takenVertical.base, count: takenVertical.count)
        takenVertical = wider
    }

    /// Takes what the vertical stack has for the whole row, if `now`, so that it may go on with the next one; else
    /// ``computeColumns(_:row:cache:label:left:)`` will find it in the cache.
    func takeVertical(of cache: RowCache, now: Bool) {
        isVerticalTaken = now
        guard now else { return }
        takenVertical.base.update(
            from: cache.toHorizontal(block: 0, column: 0).base,
            count: shape.blocks * cache.layout.width * 2 * shape.featureRoom)
    }

    /// All features of these columns of an image's row. The row's values are in the cache, and the first features, too,
    /// where both stacks start from them. `left` keeps what the columns to the right will see of these
    /// (``NetworkShape/columnCount`` floats).
    func computeColumns(
        _ columns: Range<Int>, row: Int, cache: RowCache, label: Int?, left: UnsafeMutablePointer<Float>
    ) {
        beginColumns(columns, row: row, cache: cache, label: label)
        let vertical = isVerticalTaken ? takenVertical.base : cache.toHorizontal(block: 0, column: 0).base
        let stride = 2 * shape.featureRoom
        for block in 0..<shape.blocks {
            let first = vertical + (block * cache.layout.width + columns.lowerBound) * stride
            computeBlock(block, columns, vertical: Rows(base: first, stride: stride), left: left)
        }
    }

    /// The same in steps: what goes before the blocks, then one block after the other.
    func beginColumns(_ columns: Range<Int>, row: Int, cache: RowCache, label: Int?) {
        let count = columns.count
        precondition(batch == .columns && count <= capacity)
        for slot in 0..<count { labels[slot] = label }
        takeInput(columns, row: row, cache: cache)
        for c in 0..<shape.features.count { beginSkips(c, count) }
    }

    /// The next block of these columns, from what the vertical stack passes to it, (columns, 2 · room).
    func computeBlock(_ block: Int, _ columns: Range<Int>, vertical: Rows, left: UnsafeMutablePointer<Float>) {
        let count = columns.count
        takeLeft(block, of: left, isRowStart: columns.lowerBound == 0)
        for slot in 0..<count { takeVertical(vertical[slot], into: pair(block, 0)[slot]) }
        addLeftTaps(block, 0..<count)
        for c in 0..<shape.features.count { computeGroup(c, block, count) }
        keepLeft(block, count, in: left)
    }

    /// Where the vertical stack puts what a block of these columns takes at once.
    var linked: Rows { Rows(base: link.base, stride: 2 * shape.featureRoom) }

    /// The first block's input.
    private func takeInput(_ columns: Range<Int>, row: Int, cache: RowCache) {
        let count = columns.count
        let values = cache.values(row: row, column: columns.lowerBound)
        if shape.blocksReadValues {
            current(0).base.update(from: values, count: count * shape.valueWidth)
        } else if shape.sharesInput {
            let features = cache.ring(shape.blockRings[0].input, row: row, column: columns.lowerBound)
            current(0).base.update(from: features.base, count: count * features.stride)
        } else {
            for slot in 0..<count {
                let patch = patchRows[slot]
                cache.gatherPatch(row: row, column: columns.lowerBound + slot, into: patch)
                (patch + shape.patchContext).update(from: values + slot * shape.channels, count: shape.channels)
            }
            for c in 0..<shape.features.count { computeInput(c, count) }
        }
    }

    private func takeLeft(_ block: Int, of left: UnsafeMutablePointer<Float>, isRowStart: Bool) {
        let (kept, columns) = (shape.columns[block], columns(block).base)
        if isRowStart {
            columns.update(repeating: 0, count: kept.left * kept.width)
        } else {
            columns.update(from: left + kept.before, count: kept.left * kept.width)
        }
    }

    private func keepLeft(_ block: Int, _ count: Int, in left: UnsafeMutablePointer<Float>) {
        let (kept, columns) = (shape.columns[block], columns(block).base)
        (left + kept.before).update(from: columns + count * kept.width, count: kept.left * kept.width)
    }

    // MARK: - The next pixels of an image, prepared while the current ones, in slots 0 and 1, are computed

    /// Adds the left taps of some blocks whose inputs are known with colour group `c` of the current pixels, those in
    /// `slots`; for the first group, to the vertical stack's share at the next pixels' `columns`.
    func prepareNext(_ c: Int, _ blocks: Range<Int>, slots: Range<Int>, columns next: (Int, Int), cache: RowCache) {
        for block in blocks {
            let pairs = nextPairs(block).dropFirst(slots.lowerBound)
            if c == 0 {
                for slot in slots {
                    let vertical = cache.toHorizontal(block: block, column: slot == 0 ? next.0 : next.1)
                    takeVertical(vertical.base, into: nextPairs(block)[slot])
                }
            }
            // The next pixel's left columns are the current ones, one further.
            let left = weights.blocks[block].left[c]
            let inputs = columns(block).dropFirst(slots.lowerBound) + (shape.columns[block].width + left.first)
            kernels.accumulate(left.matrix, inputs, into: pairs, count: slots.count)
        }
    }

    /// Begins the pixel whose left taps were added while `current` was the slot of the one before it.
    func beginPreparedPixel(slot: Int, from current: Int, row: Int, column: Int, cache: RowCache, label: Int?) {
        labels[slot] = label
        shiftColumns(slot: slot, column: column)
        cache.gatherPatch(row: row, column: column, into: patchRows[slot])
        for block in 0..<shape.blocks {
            pair(block, 0)[slot].update(from: nextPairs(block)[current], count: shape.pairs)
        }
    }

    // MARK: - Layers

    /// The columns left of the pixel, from those of the pixel before; zero beside the image.
    private func shiftColumns(slot: Int, column: Int) {
        for block in 0..<shape.blocks {
            let (kept, columns) = (shape.columns[block], columns(block)[slot])
            if column == 0 {
                columns.update(repeating: 0, count: kept.left * kept.width)
            } else {
                columns.update(from: columns + kept.width, count: kept.left * kept.width)
            }
        }
    }

    /// Initial pre-activations, one row of `pairs` per block: what the vertical stack has for the column.
    private func takeVertical(column: Int, of cache: RowCache, into pairs: Rows) {
        for block in 0..<shape.blocks {
            // Of many images these are not in the processor's caches, and too far apart for it to guess them.
            if block + 2 < shape.blocks {
                let next = cache.toHorizontal(block: block + 2, column: column)
                Kernels.prefetch(next.base, count: next.stride)
            }
            takeVertical(cache.toHorizontal(block: block, column: column).base, into: pairs[block])
        }
    }

    @inline(__always)
    private func takeVertical(_ vertical: UnsafeMutablePointer<Float>, into pairs: UnsafeMutablePointer<Float>) {
        let half = shape.featureRoom
        for c in 0..<shape.features.count {
            let (first, group) = (shape.features.start(c), shape.features.size(c))
            let pair = pairs + c * shape.pair
            pair.update(from: vertical + first, count: group)
            (pair + group).update(from: vertical + half + first, count: group)
            (pair + 2 * group).update(repeating: 0, count: shape.pair - 2 * group)
        }
    }

    /// Fills each image's row with what its class starts from, `length` floats from `first` on.
    private func fill(_ rows: Rows, with start: PackedRows, from first: Int, length: Int, _ count: Int) {
        for slot in 0..<count { rows[slot].update(from: start.row(labels[slot]) + first, count: length) }
    }

    // MARK: - Where things are, as rows over the images

    private var patchRows: Rows { Rows(base: patches.base, stride: shape.patchCount) }
    private var sumRows: Rows { Rows(base: sums.base, stride: sumStride) }

    private func skipRows(_ c: Int) -> Rows {
        Rows(base: skips.base, stride: shape.features.count * shape.skipRoom) + c * shape.skipRoom
    }

    /// Block `block`'s pre-activations at the next pixels, of all groups.
    private func nextPairs(_ block: Int) -> Rows {
        Rows(base: nextPreactivations.base + block * 2 * shape.pairs, stride: shape.pairs)
    }

    private func headInput(_ i: Int) -> Rows {
        Rows(base: headInputs[i].base, stride: headInputs[i].count / capacity)
    }

    /// What the head's last layer reads, of all groups so far.
    private var lastInput: Rows {
        let head = weights.head
        let readsFeatures = head.hidden.isEmpty && head.skipStart == nil && head.before == .none
        return readsFeatures ? current(shape.blocks) : headInput(head.hidden.count)
    }

    /// The logits of a pass, apart from those of the passes before and after it.
    private func logitRows(_ pass: Int) -> Rows {
        let stride = weights.head.logits.stride
        return Rows(base: logits.base + pass % 2 * capacity * stride, stride: stride)
    }

    /// Block `block`'s input at the columns left of the pixel, followed by the pixel's own.
    private func columns(_ block: Int) -> Rows {
        let kept = shape.columns[block]
        return Rows(
            base: features.base + capacity * kept.before, stride: batch == .images ? kept.stride : kept.width)
    }

    /// Block `block`'s input at the pixel. `shape.blocks` is the stack's output.
    private func current(_ block: Int) -> Rows {
        let kept = shape.columns[block]
        return columns(block) + kept.left * kept.width
    }

    private func gates(_ block: Int) -> Rows {
        let filters = shape.features.channels
        return Rows(base: gates.base + place(block) * capacity * filters, stride: filters)
    }

    /// Block `block`'s pre-activations of group c: tanh half, sigmoid half.
    private func pair(_ block: Int, _ c: Int) -> Rows {
        Rows(base: preactivations.base + place(block) * capacity * shape.pairs, stride: shape.pairs)
            + c * shape.pair
    }

    /// A block's place in the buffers that hold all blocks only of images.
    private func place(_ block: Int) -> Int { batch == .images ? block : 0 }
}

extension Engine {
    /// y = activation(x), `channels` of each of `count` rows of y.
    @inline(__always)
    func activate(_ x: Rows, _ activation: PackedInput.Activation, into y: Rows, channels: Int, count: Int) {
        switch activation {
        case .relu: kernels.rectify(x, into: y, channels: channels, count: count)
        case .elu: kernels.elu(x, into: y, channels: channels, count: count)
        case .gate: kernels.gate(x, x + channels, into: y, channels: channels, count: count)
        case .none: for row in 0..<count { y[row].update(from: x[row], count: channels) }
        }
    }
}
