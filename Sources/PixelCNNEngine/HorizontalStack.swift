// The horizontal stack and the head, for a batch of images, each at a pixel of its own. A pixel takes as many passes as
// there are colour groups: pass c computes colour group c of every feature, from groups ≤ c, so each weight is used
// once per pixel. What it reads of the rows above is an image's row cache, which it never writes.
//
// Only a few columns to the left are ever read again; they live beside the current column and shift by one when a pixel
// begins. Buffers are block by block, (image, …) inside, so that a kernel call walks over the batch.

import PixelCNNKernels

/// The state of one pixel for each image of a batch. Owned by a session, whose helper thread may
/// begin the next pixel of a lent image.
final class HorizontalStack {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let shape: NetworkShape
    private let capacity: Int
    private let sumStride: Int

    private let patches: FloatBuffer  // (image, context + C): the values that the first layer sees
    private let features: FloatBuffer  // block by block (image, kept columns, channels), then the last output
    private let preactivations: FloatBuffer  // (blocks, image, C, pair)
    private let nextPreactivations: FloatBuffer  // (blocks, C, pair): of the next pixel, by a second thread
    private let gates: FloatBuffer  // (blocks, image, F)
    private let sums: FloatBuffer  // (image, widest group in whole vectors): a product on its way to a group
    private let skips: FloatBuffer  // (image, C, group in whole vectors): the sum of the blocks'
    private let headInputs: [FloatBuffer]  // [layers] × (image, channels)
    private let logits: FloatBuffer  // (image, logits of a pass in whole vectors)
    private var labels: [Int?]  // [image]: classes of the images

    init(engine: Engine, capacity: Int) {
        self.engine = engine
        self.capacity = capacity
        weights = engine.weights
        kernels = engine.kernels
        shape = engine.shape
        let (blocks, filters, layers) = (shape.blocks, shape.features.channels, engine.weights.head.layers)
        sumStride = max(shape.pair, layers.map(\.stride).max() ?? 0)
        patches = FloatBuffer(count: capacity * shape.patchCount)
        features = FloatBuffer(count: capacity * shape.columnCount)
        preactivations = FloatBuffer(count: blocks * capacity * shape.pairs)
        nextPreactivations = FloatBuffer(count: blocks * shape.pairs)
        gates = FloatBuffer(count: blocks * capacity * filters)
        sums = FloatBuffer(count: capacity * sumStride)
        skips = FloatBuffer(count: capacity * shape.features.count * shape.skipRoom)
        headInputs = layers.indices.map { i in
            FloatBuffer(count: capacity * (i == 0 ? filters : layers[i - 1].outputs.channels))
        }
        logits = FloatBuffer(count: capacity * (layers.last?.stride ?? 0))
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

    /// The taps left of the pixel, all blocks and colour groups, of the first `count` images.
    func addLeftTaps(count: Int) {
        for block in 0..<shape.blocks {
            for c in 0..<shape.features.count {
                let left = weights.blocks[block].left[c]
                kernels.accumulate(left.matrix, columns(block) + left.first, into: pair(block, 0), count: count)
            }
        }
    }

    /// Colour group `c` of the first layer and of every block, of the first `count` images.
    func computeGroup(_ c: Int, count: Int) {
        let (first, group) = (shape.features.start(c), shape.features.size(c))
        if !shape.blocksReadValues {
            fill(sumRows, with: weights.input.start, from: c * shape.pair, length: shape.pair, count)
            engine.inputGroup(c, of: patchRows, sum: sumRows, into: current(0), count: count)
        }
        if let start = weights.head.skipStart {
            fill(skipRows(c), with: start, from: c * shape.skipRoom, length: shape.skipRoom, count)
        }
        for block in 0..<shape.blocks {
            let packed = weights.blocks[block]
            let (pair, centre) = (pair(block, c), packed.centre[c])
            kernels.accumulate(centre.matrix, columns(block) + centre.first, into: pair, count: count)
            kernels.gate(pair, pair + group, into: gates(block) + first, channels: group, count: count)
            if !packed.skip.isEmpty {
                kernels.accumulate(packed.skip[c], gates(block), into: skipRows(c), count: count)
            }
            if !packed.projection.isEmpty { project(c, block, packed, count) }
        }
    }

    /// The block's output, group c: norm(projection of the gates + input).
    @inline(__always)
    private func project(_ c: Int, _ block: Int, _ packed: PackedBlock, _ count: Int) {
        let (first, group) = (shape.features.start(c), shape.features.size(c))
        let (residual, output) = (sumRows, current(block + 1) + first)
        if packed.hasResidual {
            let input = current(block) + first
            for slot in 0..<count { residual[slot].update(from: input[slot], count: group) }
            if let bias = packed.projectionBias {
                let row = UnsafeMutablePointer(mutating: bias.row(nil) + first)
                kernels.add(Rows(base: row, stride: 0), into: residual, channels: group, count: count)
            }
        } else if let bias = packed.projectionBias {
            for slot in 0..<count { residual[slot].update(from: bias.row(nil) + first, count: group) }
        } else {
            for slot in 0..<count { residual[slot].update(repeating: 0, count: group) }
        }
        kernels.accumulate(packed.projection[c], gates(block), into: residual, count: count)
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
        for i in 0..<head.layers.count {
            let layer = head.layers[i]
            let isLast = i + 1 == head.layers.count
            let sum = isLast ? logitRows : sumRows
            sum.fill(count, with: layer.biases[c].base, length: layer.biases[c].count)
            kernels.accumulate(layer.matrices[c], input, into: sum, count: count)
            if isLast { return }
            input = headInput(i + 1)
            activate(sum, layer.activation, into: input, layer.outputs.start(c), layer.outputs.size(c), count)
        }
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
        let place = shape.features.count == shape.channels ? 0 : c
        return UnsafePointer(logitRows[slot] + place * shape.colors)
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

    // MARK: - The next pixel of the image in slot 0, prepared by a second thread while this one is computed

    /// Starts the pixel at `column`: the vertical stack's share.
    func beginNext(column: Int, cache: RowCache) {
        takeVertical(column: column, of: cache, into: nextPairs)
    }

    /// Adds the left taps whose inputs are known with colour group `c` of the current pixel.
    func addNextLeftTaps(_ c: Int) {
        for block in 0..<shape.blocks {
            let left = weights.blocks[block].left[c]
            // The next pixel's left columns are the current ones, one further.
            let inputs = columns(block) + (shape.columns[block].width + left.first)
            kernels.accumulate(left.matrix, inputs, into: Rows(base: nextPairs[block], stride: 0), count: 1)
        }
    }

    /// Begins the pixel that has been prepared, left taps and all.
    func beginPreparedPixel(row: Int, column: Int, cache: RowCache, label: Int?) {
        labels[0] = label
        shiftColumns(slot: 0, column: column)
        cache.gatherPatch(row: row, column: column, into: patchRows[0])
        for block in 0..<shape.blocks { pair(block, 0).base.update(from: nextPairs[block], count: shape.pairs) }
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

    /// Initial pre-activations, a row of `pairs` a block: what the vertical stack has for the column.
    private func takeVertical(column: Int, of cache: RowCache, into pairs: Rows) {
        let half = shape.featureRoom
        for block in 0..<shape.blocks {
            let vertical = cache.toHorizontal(block: block, column: column).base
            for c in 0..<shape.features.count {
                let (first, group) = (shape.features.start(c), shape.features.size(c))
                let pair = pairs[block] + c * shape.pair
                pair.update(from: vertical + first, count: group)
                (pair + group).update(from: vertical + half + first, count: group)
                (pair + 2 * group).update(repeating: 0, count: shape.pair - 2 * group)
            }
        }
    }

    /// Fills each image's row with what its class starts from, `length` floats from `first` on.
    private func fill(_ rows: Rows, with start: PackedRows, from first: Int, length: Int, _ count: Int) {
        for slot in 0..<count { rows[slot].update(from: start.row(labels[slot]) + first, count: length) }
    }

    // MARK: - Where things are, as rows over the images

    private var patchRows: Rows { Rows(base: patches.base, stride: shape.patchCount) }
    private var logitRows: Rows { Rows(base: logits.base, stride: logits.count / capacity) }
    private var sumRows: Rows { Rows(base: sums.base, stride: sumStride) }
    private var nextPairs: Rows { Rows(base: nextPreactivations.base, stride: shape.pairs) }

    private func skipRows(_ c: Int) -> Rows {
        Rows(base: skips.base, stride: shape.features.count * shape.skipRoom) + c * shape.skipRoom
    }

    private func headInput(_ i: Int) -> Rows {
        Rows(base: headInputs[i].base, stride: headInputs[i].count / capacity)
    }

    /// Block `block`'s input at the columns left of the pixel, followed by the pixel's own.
    private func columns(_ block: Int) -> Rows {
        let kept = shape.columns[block]
        return Rows(base: features.base + capacity * kept.before, stride: kept.stride)
    }

    /// Block `block`'s input at the pixel. `shape.blocks` is the stack's output.
    private func current(_ block: Int) -> Rows {
        let kept = shape.columns[block]
        return columns(block) + kept.left * kept.width
    }

    private func gates(_ block: Int) -> Rows {
        let filters = shape.features.channels
        return Rows(base: gates.base + block * capacity * filters, stride: filters)
    }

    /// Block `block`'s pre-activations of group c: tanh half, sigmoid half.
    private func pair(_ block: Int, _ c: Int) -> Rows {
        Rows(base: preactivations.base + block * capacity * shape.pairs, stride: shape.pairs) + c * shape.pair
    }
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
