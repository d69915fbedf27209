// One image through the network and back: the unit of work of a training thread. All activations of the image are kept
// between the two directions, or, where memory is short, only the blocks' inputs, and the rest is computed again on the
// way back.
//
// Everything is a column of kernel calls over grids: the forward pass reads as docs/MODEL.md from top to bottom, the
// backward pass as its derivative. Results depend on the image and the weights alone.

import PixelCNNKernels
import PixelCNNModel

/// The activations and gradients of one image. Owned by one thread at a time.
final class ImagePass {
    let sizes: NetworkSizes
    var flat: UnsafePointer<Float>  // the parameters, for biases and norms

    private let kernels: Kernels
    private let training: TrainingKernels
    private let layout: ParameterLayout
    private let network: PackedNetwork
    /// The class of the image; 0 where the network is unconditional.
    private var label = 0
    /// What the step drops, and the number of the image in it; nil where it drops nothing.
    private var dropout: (step: Dropout, image: Int)?
    /// Whether a block's inner activations are computed again in the backward pass.
    private let recomputes: Bool
    private let arena: Arena  // owns what `buffers` point to
    private let buffers: Activations

    /// Reads weights from `network` and, for biases and norms, from the flat parameters.
    init(
        sizes: NetworkSizes, kernels: Kernels, layout: ParameterLayout, network: PackedNetwork,
        flat: UnsafePointer<Float>, recomputes: Bool
    ) {
        self.sizes = sizes
        self.kernels = kernels
        self.layout = layout
        self.network = network
        self.flat = flat
        self.recomputes = recomputes
        training = TrainingKernels(kernels)
        (arena, buffers) = Arena.fitting { Activations($0, sizes, recomputes: recomputes) }
    }

    /// Bytes that a pass takes.
    static func byteCount(_ sizes: NetworkSizes, recomputes: Bool) -> Int {
        Arena.measure { _ = Activations($0, sizes, recomputes: recomputes) }
    }

    private func inner(_ block: Int) -> BlockActivations { buffers.inner[recomputes ? 0 : block] }

    // MARK: - Forward

    /// The mean of −ln p over the values of an image (C, H, W) of a class, and in `buffers.logits` the gradient of
    /// `scale` × their sum; with dropout, as the image with this number in its step.
    func forward(
        _ image: UnsafePointer<UInt16>, label: Int, scale: Float, dropout: (step: Dropout, image: Int)? = nil
    ) -> Double {
        self.label = label
        self.dropout = dropout
        inputLayer(image)
        for block in 0..<sizes.blocks { forward(block) }
        outputLayers()
        return crossEntropy(image, scale: scale)
    }

    /// Sums of −ln p of the last image, one per colour channel, in nats.
    var channelLosses: [Double] {
        (0..<sizes.channels).map { c in
            (0..<sizes.positions).reduce(0) { $0 + buffers.losses[c * sizes.positions + $1] }
        }
    }

    /// `in_conv`: the patches, one product for each colour group, and ReLU. Or the values' rows of a table.
    private func inputLayer(_ image: UnsafePointer<UInt16>) {
        switch layout.input {
        case .convolution(_, let bias): convolveInput(image, bias)
        case .table(let rows):
            forEachValue(image) { value, row, column in
                buffers.horizontal[0].row(row)[column].update(from: flat + rows.row(value), count: sizes.filters)
            }
        }
    }

    private func convolveInput(_ image: UnsafePointer<UInt16>, _ bias: Slice) {
        gatherPatches(image)
        let sum = buffers.dH  // free during the forward pass
        fill(sum, with: flat + bias.offset, count: sizes.filters)
        for c in 0..<sizes.channels {
            accumulate(network.input[c], buffers.patches, into: sum.shifted(channels: c * sizes.group))
        }
        rectify(sum, into: buffers.horizontal[0], channels: sizes.filters)
    }

    /// One gated block, up to the inputs of the next.
    private func forward(_ block: Int) {
        computeInner(block)
        let (inner, slices) = (inner(block), layout.blocks[block])
        normalize(inner.sum, slices.horizontalNorm, into: buffers.horizontal[block + 1])
        if block + 1 < sizes.blocks {  // the last block's vertical output feeds nothing
            normalize(inner.vertical, slices.verticalNorm, into: buffers.vertical[block + 1])
        }
    }

    /// What goes into the vertical gate: what the link sees, and the class's row where that is not in it.
    private func verticalGateInput(_ block: Int) -> Grid {
        let (u, slices) = (inner(block).u, layout.blocks[block])
        guard !slices.linkSeesLabel, let column = slices.verticalLabel, let sum = buffers.labelled else { return u }
        copy(u, to: sum, channels: 2 * sizes.filters)
        add(flat + column.row(label), to: sum, count: 2 * sizes.filters)
        return sum
    }

    /// The inner activations of a block from its inputs.
    private func computeInner(_ block: Int) {
        let (inner, weights, slices) = (inner(block), network.blocks[block], layout.blocks[block])
        let (v, h) = (buffers.vertical[block], buffers.horizontal[block])
        let (filters, group, padding, pair) = (sizes.filters, sizes.group, slices.padding, sizes.pair)

        clear(inner.u)
        if slices.linkSeesLabel, let column = slices.verticalLabel {
            add(flat + column.row(label), to: inner.u, count: 2 * filters)
        }
        if let bias = slices.verticalBias { add(flat + bias.offset, to: inner.u, count: 2 * filters) }
        for (row, matrix) in zip(slices.verticalRows, weights.vertical) {
            accumulate(matrix, v.shifted(rows: row, columns: -padding), into: inner.u)
        }
        let gateInput = verticalGateInput(block)
        gate(gateInput, gateInput.shifted(channels: filters), into: inner.vertical, channels: filters)

        clear(inner.s)
        for (c, column) in slices.horizontalLabel.enumerated() {
            add(flat + column.row(label), to: inner.s.shifted(channels: c * pair), count: 2 * group)
        }
        if let bias = slices.horizontalBias { add(flat + bias.offset, to: inner.s, count: 2 * filters) }
        if case .full(_, let bias) = slices.link { add(flat + bias.offset, to: inner.s, count: 2 * filters) }
        for c in 0..<sizes.channels {
            let s = inner.s.shifted(channels: c * pair)
            accumulate(weights.horizontal[c], h.shifted(columns: -padding), into: s)
            switch weights.link {
            case .halves(let tanh, let sigmoid, _, _):
                accumulate(tanh[c], inner.u, into: s)
                accumulate(sigmoid[c], inner.u.shifted(channels: filters), into: s.shifted(channels: group))
            case .full(let matrix, _): accumulate(matrix, inner.u, into: s)
            }
        }
        for c in 0..<sizes.channels {
            let s = inner.s.shifted(channels: c * pair)
            gate(s, s.shifted(channels: group), into: inner.gated.shifted(channels: c * group), channels: group)
        }
        drop(inner.gated, block)
        if slices.hasResidual { copy(h, to: inner.sum) } else { clear(inner.sum) }
        if let bias = slices.projectionBias { add(flat + bias.offset, to: inner.sum, count: filters) }
        for c in 0..<sizes.channels {
            accumulate(weights.projection[c], inner.gated, into: inner.sum.shifted(channels: c * group))
        }
    }

    private func outputLayers() {
        let (hidden, logits) = (buffers.hidden, buffers.logits)
        fill(hidden, with: flat + layout.hiddenBias.offset, count: sizes.hidden)
        for c in 0..<sizes.channels {
            let group = hidden.shifted(channels: c * sizes.hiddenGroup)
            accumulate(network.hidden[c], buffers.horizontal[sizes.blocks], into: group)
        }
        rectify(hidden, into: hidden, channels: sizes.hidden)
        fill(logits, with: flat + layout.logitBias.offset, count: sizes.channels * sizes.colors)
        for c in 0..<sizes.channels {
            accumulate(network.logits[c], hidden, into: logits.shifted(channels: c * sizes.colors))
        }
    }

    private func crossEntropy(_ image: UnsafePointer<UInt16>, scale: Float) -> Double {
        for c in 0..<sizes.channels {
            // Rows of logits follow one another without a gap.
            training.crossEntropy(
                buffers.logits.row(0) + c * sizes.colors, values: image + c * sizes.positions, scale: scale,
                losses: buffers.losses + c * sizes.positions, colors: sizes.colors, count: sizes.positions)
        }
        return channelLosses.reduce(0, +) / Double(sizes.channels * sizes.positions)
    }

    /// For each position what `in_conv` sees, channels innermost, values as the network reads them; zeros outside the
    /// image.
    private func gatherPatches(_ image: UnsafePointer<UInt16>) {
        let (height, width, channels) = (sizes.height, sizes.width, sizes.channels)
        for row in 0..<height {
            for column in 0..<width {
                var next = buffers.patches.row(row)[column]
                for tap in sizes.patch {
                    let (r, c) = (row + tap.row, column + tap.column)
                    let inside = r >= 0 && c >= 0 && c < width
                    for channel in 0..<channels {
                        next[channel] =
                            inside ? sizes.scaledValues[Int(image[channel * sizes.positions + r * width + c])] : 0
                    }
                    next += channels
                }
            }
        }
    }

    // MARK: - Backward

    // The derivative of each step of the forward pass, in reverse. Gradients of weights are added to a flat array laid
    // out as the parameters are, so images add up where they meet.

    /// Adds the gradient of the loss of `image`, the last one, as `forward` scaled it, to `gradient` (layout.count).
    func backward(_ image: UnsafePointer<UInt16>, into gradient: UnsafeMutablePointer<Float>) {
        backwardOutputLayers(gradient)
        for block in (0..<sizes.blocks).reversed() { backward(block, gradient) }
        backwardInputLayer(image, gradient)
    }

    /// From the gradient of the logits to that of the last block's output, in dH.
    private func backwardOutputLayers(_ gradient: UnsafeMutablePointer<Float>) {
        let (channels, colors, hiddenGroup) = (sizes.channels, sizes.colors, sizes.hiddenGroup)
        let (dLogits, dHidden, dH) = (buffers.logits, buffers.dHidden, buffers.dH)
        accumulateBias(layout.logitBias, dLogits, into: gradient)
        clear(dHidden)
        for c in 0..<channels {
            let group = dLogits.shifted(channels: c * colors)
            accumulateGradient(layout.logits[c], buffers.hidden, group, into: gradient)
            accumulate(network.logitsBack[c], group, into: dHidden.shifted(channels: c * hiddenGroup))
        }
        rectifyGradient(of: buffers.hidden, dHidden, channels: sizes.hidden)

        accumulateBias(layout.hiddenBias, dHidden, into: gradient)
        clear(dH)
        for c in 0..<channels {
            let group = dHidden.shifted(channels: c * hiddenGroup)
            accumulateGradient(layout.hidden[c], buffers.horizontal[sizes.blocks], group, into: gradient)
            accumulate(network.hiddenBack[c], group, into: dH.shifted(channels: c * sizes.group))
        }
    }

    /// From the gradients of a block's outputs, in dV and dH, to those of its inputs, in the same place. The inputs of
    /// the first block are one: dV has their sum.
    private func backward(_ block: Int, _ gradient: UnsafeMutablePointer<Float>) {
        if recomputes { computeInner(block) }
        backwardHorizontalStack(block, gradient)
        backwardVerticalStack(block, gradient)
    }

    private func backwardHorizontalStack(_ block: Int, _ gradient: UnsafeMutablePointer<Float>) {
        let (inner, weights, slices) = (inner(block), network.blocks[block], layout.blocks[block])
        let (group, padding, pair) = (sizes.group, slices.padding, sizes.pair)
        let (dH, dSum, dGate, ds) = (buffers.dH, buffers.dSum, buffers.dGate, buffers.ds)

        normalizeGradient(of: inner.sum, slices.horizontalNorm, dH, into: dSum, gradient)
        if let bias = slices.projectionBias { accumulateBias(bias, dSum, into: gradient) }
        clear(dGate)
        for c in 0..<sizes.channels {
            let sum = dSum.shifted(channels: c * group)
            accumulateGradient(slices.projection[c], inner.gated, sum, into: gradient)
            accumulate(weights.projectionBack[c], sum, into: dGate.shifted(channels: c * group))
        }
        drop(dGate, block)
        for c in 0..<sizes.channels {
            let (s, d) = (inner.s.shifted(channels: c * pair), ds.shifted(channels: c * pair))
            gateGradient(
                of: s, s.shifted(channels: group), dGate.shifted(channels: c * group), into: d,
                d.shifted(channels: group), channels: group)
        }

        for (c, column) in slices.horizontalLabel.enumerated() {
            accumulateBias(column, input: label, ds.shifted(channels: c * pair), into: gradient)
        }
        if let bias = slices.horizontalBias { accumulateBias(bias, ds, into: gradient) }
        let left = buffers.horizontal[block].shifted(columns: -padding)
        if slices.hasResidual { copy(dSum, to: dH) } else { clear(dH) }
        accumulate(weights.leftTapsBack, ds.shifted(columns: 1), into: dH)
        for c in 0..<sizes.channels {
            accumulateGradient(slices.horizontal[c], left, ds.shifted(channels: c * pair), into: gradient)
            let seeing = ds.shifted(channels: slices.firstSeeing[c] * pair)
            accumulate(weights.centreBack[c], seeing, into: dH.shifted(channels: c * group))
        }
    }

    private func backwardVerticalStack(_ block: Int, _ gradient: UnsafeMutablePointer<Float>) {
        let (inner, weights, slices) = (inner(block), network.blocks[block], layout.blocks[block])
        let (filters, padding) = (sizes.filters, slices.padding)
        let (dV, dH, ds, du) = (buffers.dV, buffers.dH, buffers.ds, buffers.du)
        let (u1, u2) = (inner.u, inner.u.shifted(channels: filters))
        let (du1, du2) = (du, du.shifted(channels: filters))

        if block + 1 < sizes.blocks {
            normalizeGradient(of: inner.vertical, slices.verticalNorm, dV, into: buffers.dSum, gradient)
            let gateInput = verticalGateInput(block)
            gateGradient(
                of: gateInput, gateInput.shifted(channels: filters), buffers.dSum, into: du1, du2, channels: filters)
        } else {
            clear(du)
        }
        if !slices.linkSeesLabel, let column = slices.verticalLabel {
            accumulateBias(column, input: label, du, into: gradient)
        }
        switch (slices.link, weights.link) {
        case (.halves(let tanh, let sigmoid), .halves(_, _, let tanhBack, let sigmoidBack)):
            for c in 0..<sizes.channels {
                let tanhHalf = ds.shifted(channels: c * sizes.pair)
                let sigmoidHalf = tanhHalf.shifted(channels: sizes.group)
                accumulateGradient(tanh[c], u1, tanhHalf, into: gradient)
                accumulateGradient(sigmoid[c], u2, sigmoidHalf, into: gradient)
                accumulate(tanhBack[c], tanhHalf, into: du1)
                accumulate(sigmoidBack[c], sigmoidHalf, into: du2)
            }
        case (.full(let slice, let bias), .full(_, let back)):
            accumulateGradient(slice, inner.u, ds, into: gradient)
            accumulateBias(bias, ds, into: gradient)
            accumulate(back, ds, into: du)
        default: preconditionFailure("layout and matrices are of one network")
        }
        if slices.linkSeesLabel, let column = slices.verticalLabel {
            accumulateBias(column, input: label, du, into: gradient)
        }
        if let bias = slices.verticalBias { accumulateBias(bias, du, into: gradient) }
        if block == 0 { copy(dH, to: dV) } else { clear(dV) }
        for (i, row) in slices.verticalRows.enumerated() {
            let v = buffers.vertical[block].shifted(rows: row, columns: -padding)
            accumulateGradient(slices.vertical[i], v, du, into: gradient)
            accumulate(weights.verticalBack[i], du.shifted(rows: -row, columns: -padding), into: dV)
        }
    }

    private func backwardInputLayer(_ image: UnsafePointer<UInt16>, _ gradient: UnsafeMutablePointer<Float>) {
        let dV = buffers.dV
        switch layout.input {
        case .convolution(let slices, let bias):
            rectifyGradient(of: buffers.vertical[0], dV, channels: sizes.filters)
            accumulateBias(bias, dV, into: gradient)
            for c in 0..<sizes.channels {
                accumulateGradient(slices[c], buffers.patches, dV.shifted(channels: c * sizes.group), into: gradient)
            }
        case .table(let rows):
            forEachValue(image) { value, row, column in
                training.accumulateColumns(
                    Rows(base: dV.row(row)[column], stride: dV.stride), into: gradient + rows.row(value),
                    channels: sizes.filters, count: 1)
            }
        }
    }

    // MARK: - The gradient of the input

    // The last step back, from the features of `in_conv` to the image. Training has no use for it; a receptive field
    // has, once for one image, so these are plain loops over the weights as they lie in the flat parameters.

    /// The gradient of one logit of `image`, the last one, by its values, as they are before they are brought to −1 …
    /// 1: (C, H, W). Spends what `forward` left. The network starts from a convolution of the values.
    func inputGradient(
        of image: UnsafePointer<UInt16>, channel: Int, value: Int, row: Int, column: Int
    ) -> [Float] {
        for row in 0..<sizes.height {
            buffers.logits.row(row).base.update(repeating: 0, count: sizes.width * buffers.logits.stride)
        }
        buffers.logits.row(row)[column][channel * sizes.colors + value] = 1
        let weightGradient = UnsafeMutablePointer<Float>.allocate(capacity: layout.count)
        weightGradient.initialize(repeating: 0, count: layout.count)
        defer { weightGradient.deallocate() }
        backward(image, into: weightGradient)  // leaves the gradient of in_conv's sums in dV
        return throughInputLayer()
    }

    /// Each patch's gradient, added up where the patches came from.
    private func throughInputLayer() -> [Float] {
        let (height, width, channels) = (sizes.height, sizes.width, sizes.channels)
        // Values 0 … d − 1 for 1 of what the network reads.
        let scale = Float(sizes.colors - 1) / (sizes.scaledValues[sizes.colors - 1] - sizes.scaledValues[0])
        var gradient = [Float](repeating: 0, count: channels * sizes.positions)
        guard case .convolution(let slices, _) = layout.input else { preconditionFailure("rows have no slope") }
        for row in 0..<height {
            for column in 0..<width {
                let features = buffers.dV.row(row)[column]
                for (c, slice) in slices.enumerated() {
                    for k in 0..<slice.inputs {
                        let (tap, channel) = (sizes.patch[k / channels], k % channels)
                        let (r, x) = (row + tap.row, column + tap.column)
                        guard r >= 0, x >= 0, x < width else { continue }
                        let weights = flat + slice.offset + k * slice.stride
                        var sum: Float = 0
                        for lane in 0..<slice.lanes { sum += weights[lane] * features[c * sizes.group + lane] }
                        gradient[(channel * height + r) * width + x] += sum / scale
                    }
                }
            }
        }
        return gradient
    }

    // MARK: - Kernel calls over the rows of an image

    /// y += matrix · x at every position. The weights of a panel stay in the cache while the rows pass by.
    private func accumulate(_ repacked: RepackedMatrix, _ x: Grid, into y: Grid) {
        let matrix = repacked.packed
        guard matrix.depth > 0 else { return }
        matrix.forEachPanel { lane, vectors in
            let panel = matrix.floatPanel(firstLane: lane, vectors: vectors)
            forEachRow { kernels.accumulate(panel, x.row($0), into: y.row($0) + lane, count: sizes.width) }
        }
    }

    private func gate(_ a: Grid, _ b: Grid, into y: Grid, channels: Int) {
        forEachRow { kernels.gate(a.row($0), b.row($0), into: y.row($0), channels: channels, count: sizes.width) }
    }

    private func rectify(_ x: Grid, into y: Grid, channels: Int) {
        forEachRow { kernels.rectify(x.row($0), into: y.row($0), channels: channels, count: sizes.width) }
    }

    /// y = x where there is no norm.
    private func normalize(_ x: Grid, _ norm: ParameterLayout.Norm?, into y: Grid) {
        guard let norm else { return copy(x, to: y) }
        for c in 0..<sizes.channels {
            let group = c * sizes.group
            forEachRow { row in
                kernels.normalize(
                    x.row(row) + group, weight: flat + norm.weight.offset, bias: flat + norm.bias.offset,
                    into: y.row(row) + group, channels: sizes.group, count: sizes.width)
            }
        }
    }

    /// Adds to the gradient of a matrix whose inputs are x and whose outputs have the gradient dy.
    private func accumulateGradient(
        _ slice: Slice, _ x: Grid, _ dy: Grid, into gradient: UnsafeMutablePointer<Float>
    ) {
        guard slice.inputs > 0 else { return }
        training.accumulateProducts(
            x.row(0), xRow: x.rowStride, inputs: slice.inputs, dy.row(0), dyRow: dy.rowStride, lanes: slice.lanes,
            into: Rows(base: gradient + slice.offset, stride: slice.stride), rows: sizes.height, columns: sizes.width)
    }

    /// Adds to the gradient of a bias, or of a class's row.
    private func accumulateBias(
        _ slice: Slice, input: Int = 0, _ dy: Grid, into gradient: UnsafeMutablePointer<Float>
    ) {
        let sum = gradient + slice.row(input)
        forEachRow { training.accumulateColumns(dy.row($0), into: sum, channels: slice.lanes, count: sizes.width) }
    }

    /// Drops units of a block's horizontal gate, or their gradients.
    private func drop(_ y: Grid, _ block: Int) {
        guard let dropout else { return }
        let mask = dropout.step.mask(image: dropout.image, block: block)
        forEachRow { row in
            for column in 0..<sizes.width {
                mask.apply(to: y.row(row)[column], count: sizes.filters, position: row * sizes.width + column)
            }
        }
    }

    private func rectifyGradient(of y: Grid, _ dy: Grid, channels: Int) {
        forEachRow { row in
            training.rectifyGradient(y.row(row), dy.row(row), into: dy.row(row), channels: channels, count: sizes.width)
        }
    }

    private func gateGradient(of a: Grid, _ b: Grid, _ dy: Grid, into da: Grid, _ db: Grid, channels: Int) {
        forEachRow { row in
            training.gateGradient(
                a.row(row), b.row(row), dy.row(row), into: da.row(row), db.row(row), channels: channels,
                count: sizes.width)
        }
    }

    private func normalizeGradient(
        of x: Grid, _ norm: ParameterLayout.Norm?, _ dy: Grid, into dx: Grid, _ gradient: UnsafeMutablePointer<Float>
    ) {
        guard let norm else { return copy(dy, to: dx) }
        for c in 0..<sizes.channels {
            let group = c * sizes.group
            forEachRow { row in
                training.normalizeGradient(
                    x.row(row) + group, weight: flat + norm.weight.offset, dy.row(row) + group,
                    into: dx.row(row) + group, dWeight: gradient + norm.weight.offset,
                    dBias: gradient + norm.bias.offset, channels: sizes.group, count: sizes.width)
            }
        }
    }

    /// Every position becomes `source` (count), and the rest of its stride zero.
    private func fill(_ y: Grid, with source: UnsafePointer<Float>, count: Int) {
        forEachRow { row in
            for column in 0..<sizes.width {
                let place = y.row(row)[column]
                place.update(from: source, count: count)
                (place + count).update(repeating: 0, count: y.stride - count)
            }
        }
    }

    /// Adds `source` (count) at every position.
    private func add(_ source: UnsafePointer<Float>, to y: Grid, count: Int) {
        forEachRow { row in
            for column in 0..<sizes.width {
                let place = y.row(row)[column]
                for i in 0..<count { place[i] += source[i] }
            }
        }
    }

    /// Calls `body` with each value of an image of one channel.
    private func forEachValue(
        _ image: UnsafePointer<UInt16>, _ body: (_ value: Int, _ row: Int, _ column: Int) -> Void
    ) {
        for row in 0..<sizes.height {
            for column in 0..<sizes.width { body(Int(image[row * sizes.width + column]), row, column) }
        }
    }

    private func clear(_ y: Grid) {
        forEachRow { y.row($0).base.update(repeating: 0, count: sizes.width * y.stride) }
    }

    /// y = x, F channels where nothing is said.
    private func copy(_ x: Grid, to y: Grid, channels: Int? = nil) {
        let count = channels ?? sizes.filters
        forEachRow { row in
            for column in 0..<sizes.width { y.row(row)[column].update(from: x.row(row)[column], count: count) }
        }
    }

    @inline(__always)
    private func forEachRow(_ body: (_ row: Int) -> Void) {
        for row in 0..<sizes.height { body(row) }
    }
}
