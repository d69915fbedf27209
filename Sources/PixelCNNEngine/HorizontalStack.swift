// The horizontal stack and the output layers, for a batch of images, each at a pixel of its own. A pixel takes C
// passes, one per value: pass c computes colour group c of every feature, from groups ≤ c, so each weight is used once
// per pixel. What it reads of the rows above is an image's row cache, which it never writes.
//
// Only p columns to the left are ever read again; they live beside the current column, p + 1 columns in all, and shift
// by one when a pixel begins. Buffers are block by block, (image, …) inside, so that a kernel call walks over the
// batch.

import PixelCNNKernels

/// The state of one pixel for each image of a batch. Owned by a session, whose helper thread may
/// begin the next pixel of a lent image.
final class HorizontalStack {
    private let engine: Engine  // keeps what `weights` points to
    private let weights: PackedWeights
    private let kernels: Kernels
    private let sizes: NetworkSizes
    private let capacity: Int
    private let keptColumns: Int  // p + 1: the current one and the p to its left

    private let patches: FloatBuffer  // (image, context + C): the input pixels that in_conv sees
    private let features: FloatBuffer  // (L + 1, image, p + 1, F): block inputs and the last output, left columns first
    private let preactivations: FloatBuffer  // (L, image, C, pair)
    private let nextPreactivations: FloatBuffer  // (L, C, pair): of the next pixel, by a second thread
    private let gates: FloatBuffer  // (L, image, F)
    private let sums: FloatBuffer  // (image, widest group in whole vectors): a product on its way to a group
    private let hidden: FloatBuffer  // (image, hidden)
    private let logits: FloatBuffer  // (image, d in whole vectors)

    init(engine: Engine, capacity: Int) {
        self.engine = engine
        self.capacity = capacity
        weights = engine.weights
        kernels = engine.kernels
        sizes = engine.sizes
        keptColumns = sizes.padding + 1
        let (blocks, filters) = (sizes.blocks, sizes.filters)
        patches = FloatBuffer(count: capacity * sizes.patchCount)
        features = FloatBuffer(count: (blocks + 1) * capacity * keptColumns * filters)
        preactivations = FloatBuffer(count: blocks * capacity * sizes.pairs)
        nextPreactivations = FloatBuffer(count: blocks * sizes.pairs)
        gates = FloatBuffer(count: blocks * capacity * filters)
        sums = FloatBuffer(count: capacity * max(sizes.group, sizes.hiddenGroup).roundedUpToLanes)
        hidden = FloatBuffer(count: capacity * sizes.hidden)
        logits = FloatBuffer(count: capacity * sizes.colors.roundedUpToLanes)
    }

    // MARK: - A pixel, in order: begin, then for each colour compute its group and its logits, and set its value.

    /// Image `slot` begins pixel (row, column): shifts its left columns and takes in what is known before any value.
    func beginPixel(slot: Int, row: Int, column: Int, cache: RowCache) {
        shiftColumns(slot: slot, column: column)
        cache.gatherPatch(row: row, column: column, into: patchRows[slot])
        let pairs = Rows(base: pair(0, 0)[slot], stride: capacity * sizes.pairs)
        takeVertical(column: column, of: cache, into: pairs)
    }

    /// The taps left of the pixel, all blocks and colour groups, of the first `count` images.
    func addLeftTaps(count: Int) {
        for block in 0..<sizes.blocks {
            for c in 0..<sizes.channels {
                let inputs = leftColumns(block) + sizes.leftInputs(c).lowerBound
                kernels.accumulate(weights.blocks[block].left[c], inputs, into: pair(block, 0), count: count)
            }
        }
    }

    /// Colour group `c` of `in_conv` and of every block, of the first `count` images.
    func computeGroup(_ c: Int, count: Int) {
        engine.inputGroup(c, of: patchRows, sum: sumRows(of: sizes.group), into: current(0), count: count)
        for block in 0..<sizes.blocks {
            let packed = weights.blocks[block]
            let (input, pair) = (current(block), pair(block, c))
            let (gate, group) = (gates(block) + c * sizes.group, sizes.group)
            let residual = sumRows(of: group)
            kernels.accumulate(packed.centre[c], input, into: pair, count: count)
            kernels.gate(pair, pair + group, into: gate, channels: group, count: count)
            copyGroup(c, of: input, to: residual, count)
            kernels.accumulate(packed.projection[c], gates(block), into: residual, count: count)
            kernels.normalize(
                residual, weight: packed.horizontalNorm.weight.base, bias: packed.horizontalNorm.bias.base,
                into: current(block + 1) + c * group, channels: group, count: count)
        }
    }

    /// The logits of channel `c`, of the first `count` images: out_conv.2(relu(out_conv.0(h))), group c.
    func computeLogits(_ c: Int, count: Int) {
        let output = weights.output
        let sum = sumRows(of: sizes.hiddenGroup)
        sum.fill(count, with: output.hiddenBiases[c].base, length: sum.stride)
        kernels.accumulate(output.hidden[c], current(sizes.blocks), into: sum, count: count)
        let hiddenRows = Rows(base: hidden.base, stride: sizes.hidden)
        kernels.rectify(
            sum, into: hiddenRows + c * sizes.hiddenGroup, channels: sizes.hiddenGroup, count: count)
        logitRows.fill(count, with: output.logitBiases[c].base, length: logitRows.stride)
        kernels.accumulate(output.logits[c], hiddenRows, into: logitRows, count: count)
    }

    /// Sets the value of channel `c` at image `slot`'s pixel, normalised, which later groups see.
    func setValue(_ normalized: Float, slot: Int, channel c: Int) {
        patchRows[slot][sizes.patchContext + c] = normalized
    }

    /// Image `slot`'s logits (d) of the channel computed last.
    func logits(slot: Int) -> UnsafePointer<Float> {
        UnsafePointer(logitRows[slot])
    }

    /// Image `slot`'s in_conv output (F) at its pixel: the vertical stack's first input.
    func inputFeatures(slot: Int) -> UnsafePointer<Float> {
        UnsafePointer(current(0)[slot])
    }

    /// Moves an image's state to another slot, so that the images of a batch stay together.
    func move(from source: Int, to destination: Int) {
        for block in 0...sizes.blocks {
            leftColumns(block)[destination].update(
                from: leftColumns(block)[source], count: keptColumns * sizes.filters)
        }
    }

    // MARK: - The next pixel of the image in slot 0, prepared by a second thread while this one is computed

    /// Starts the pixel at `column`: the vertical stack's share.
    func beginNext(column: Int, cache: RowCache) {
        takeVertical(column: column, of: cache, into: nextPairs)
    }

    /// Adds the left taps whose inputs are known with colour group `c` of the current pixel.
    func addNextLeftTaps(_ c: Int) {
        for block in 0..<sizes.blocks {
            // The next pixel's left columns are the current ones, one further.
            let inputs = leftColumns(block) + (sizes.filters + sizes.leftInputs(c).lowerBound)
            kernels.accumulate(
                weights.blocks[block].left[c], inputs, into: Rows(base: nextPairs[block], stride: 0), count: 1)
        }
    }

    /// Begins the pixel that has been prepared, left taps and all.
    func beginPreparedPixel(row: Int, column: Int, cache: RowCache) {
        shiftColumns(slot: 0, column: column)
        cache.gatherPatch(row: row, column: column, into: patchRows[0])
        for block in 0..<sizes.blocks { pair(block, 0).base.update(from: nextPairs[block], count: sizes.pairs) }
    }

    // MARK: - Layers

    /// The p columns left of the pixel, from those of the pixel before; zero beside the image.
    private func shiftColumns(slot: Int, column: Int) {
        let filters = sizes.filters
        for block in 0...sizes.blocks {
            let columns = leftColumns(block)[slot]
            if column == 0 {
                columns.update(repeating: 0, count: sizes.padding * filters)
            } else {
                columns.update(from: columns + filters, count: sizes.padding * filters)
            }
        }
    }

    /// Initial pre-activations, a row of `pairs` a block: what the vertical stack has for the column.
    private func takeVertical(column: Int, of cache: RowCache, into pairs: Rows) {
        let (group, half) = (sizes.group, sizes.featureRoom)
        for block in 0..<sizes.blocks {
            let vertical = cache.toHorizontal(block: block, column: column).base
            for c in 0..<sizes.channels {
                let pair = pairs[block] + c * sizes.pair
                pair.update(from: vertical + c * group, count: group)
                (pair + group).update(from: vertical + half + c * group, count: group)
                (pair + 2 * group).update(repeating: 0, count: sizes.pair - 2 * group)
            }
        }
    }

    private func copyGroup(_ c: Int, of source: Rows, to sum: Rows, _ count: Int) {
        for slot in 0..<count {
            sum[slot].update(from: source[slot] + c * sizes.group, count: sizes.group)
        }
    }

    // MARK: - Where things are, as rows over the images

    private var patchRows: Rows { Rows(base: patches.base, stride: sizes.patchCount) }
    private var logitRows: Rows { Rows(base: logits.base, stride: sizes.colors.roundedUpToLanes) }

    private var nextPairs: Rows { Rows(base: nextPreactivations.base, stride: sizes.pairs) }

    private func sumRows(of width: Int) -> Rows { Rows(base: sums.base, stride: width.roundedUpToLanes) }

    /// Block `block`'s input at the p columns left of the pixel, (p, F), followed by the pixel's own.
    private func leftColumns(_ block: Int) -> Rows {
        let stride = keptColumns * sizes.filters
        return Rows(base: features.base + block * capacity * stride, stride: stride)
    }

    /// Block `block`'s input at the pixel, (F). `sizes.blocks` is the stack's output.
    private func current(_ block: Int) -> Rows { leftColumns(block) + sizes.padding * sizes.filters }

    private func gates(_ block: Int) -> Rows {
        Rows(base: gates.base + block * capacity * sizes.filters, stride: sizes.filters)
    }

    /// Block `block`'s pre-activations of group c: tanh half, sigmoid half.
    private func pair(_ block: Int, _ c: Int) -> Rows {
        Rows(base: preactivations.base + block * capacity * sizes.pairs, stride: sizes.pairs) + c * sizes.pair
    }
}
