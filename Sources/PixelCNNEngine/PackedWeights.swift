// A model's weights, laid out for the engine: every layer of the description as matrices packed for the kernels, colour
// group by colour group. The taps left of the pixel are apart from its centre, the link's halves go by input group, and
// vertical convolutions of three columns through F(2, 3). What the sums of a layer start from is folded here, too:
// biases and what a class adds. Layout changes here, once, at load, and nowhere else.

import PixelCNNKernels
import PixelCNNModel

/// All weights of a model, packed for one instruction set in one precision. Immutable.
struct PackedWeights: @unchecked Sendable, BitwiseCopyable {
    let input: PackedInput
    let blocks: ConstantList<PackedBlock>
    let head: PackedHead
    /// What products start from that add to nothing: as many as any of them has outputs.
    let zeros: UnsafePointer<Float>

    /// Bytes of all of them, padding included; without the masked entries that is about what the parameters take.
    var byteCount: Int { input.byteCount + blocks.reduce(0) { $0 + $1.byteCount } + head.byteCount }

    init(_ model: Model, shape: NetworkShape, kernels: Kernels, precision: Precision, storage: ConstantStorage) {
        let packer = Packer(
            model: model, shape: shape, kernels: kernels, bounds: precision == .i16 ? ActivationBounds(model) : nil,
            storage: storage)
        input = PackedInput(packer)
        blocks = packer.list(shape.blocks) { PackedBlock(packer, index: $0) }
        head = PackedHead(packer)
        let strides = blocks.flatMap { [$0.vertical.stride, $0.second?.stride ?? 0] } + [input.vertical?.stride ?? 0]
        zeros = storage.numbers(max(2 * shape.featureRoom, strides.max() ?? 0) + Kernels.lanes) { _ in }
    }
}

/// What a value becomes, and the convolutions before the blocks.
struct PackedInput: Sendable, BitwiseCopyable {
    /// What the network reads for a value: (d), or rows of a table, (d, F).
    let values: ConstantList<Float>
    /// For each colour group, a matrix over the patch that the group may see: [C] × (g, or 2g where a gate follows;
    /// context + seen channels of the pixel). Empty where the blocks read the values.
    let groups: ConstantList<PackedMatrix>
    /// What their sums start from, group by group, each in a pair's room.
    let start: PackedRows
    let activation: Activation
    /// The vertical stack's own, where it has one.
    let vertical: PackedConvolution?
    let verticalStart: PackedRows?

    enum Activation: BitwiseCopyable {
        case none, relu, elu, gate

        init(_ activation: NetworkDescription.Activation) {
            self =
                switch activation {
                case .none: .none
                case .relu: .relu
                case .elu: .elu
                case .gate: .gate
                }
        }
    }

    var byteCount: Int {
        groups.weightBytes + start.byteCount + (vertical?.byteCount ?? 0) + (verticalStart?.byteCount ?? 0)
    }

    init(_ packer: Packer) {
        let (network, shape) = (packer.model.description, packer.shape)
        if case .table(let name) = network.input {
            values = packer.storage.list(packer.model[name].floats())
        } else {
            values = packer.storage.list(network.scaledValues)
        }
        var label: ClassTable?
        let layer: Convolution
        switch network.stem {
        case .none:
            groups = packer.storage.list([PackedMatrix]())
            start = packer.noRows
            (activation, vertical, verticalStart) = (.none, nil, nil)
            return
        case .shared(let convolution, let activation, let table):
            (layer, label) = (convolution, table)
            self.activation = Activation(activation)
            (vertical, verticalStart) = (nil, nil)
        case .separate(let convolution, let horizontal):
            layer = horizontal
            activation = .none
            vertical = PackedConvolution(packer, convolution, reading: packer.bounds?.values)
            verticalStart = packer.rows(bias: [convolution])
        }
        let isGate = activation == .gate
        let weights = packer.weights(layer)
        let channels = ColorGroups(shape.channels, groups: shape.features.count)
        groups = packer.list(shape.features.count) { c in
            // The patch, (tap, channel), ends with the pixel's own channels.
            let depth = shape.patchContext + layer.seen(c, of: channels)
            return packer.matrix(
                lanes: shape.features.size(c) * (isGate ? 2 : 1), depth: depth, reading: packer.bounds?.values
            ) { lane, k in
                weights(
                    output: shape.features.channel(c, lane: lane), input: k % shape.channels, tap: k / shape.channels)
            }
        }
        start =
            packer.rows(bias: [layer], label: label, stride: shape.pairs, place: packer.pairPlace)
            ?? packer.zeroRow(shape.pairs)
    }
}

/// One gated block.
struct PackedBlock: Sendable, BitwiseCopyable {
    /// In which order the vertical stack computes the block's row.
    enum Order: BitwiseCopyable {
        /// All of it for the row of the pixel, of the rows above.
        case thisRow
        /// All of it for the row above, which must be complete; the link reads it for this row.
        case rowAbove
        /// The convolution for this row; the gate for the row above, when that is complete.
        case both
    }

    let order: Order
    let vertical: PackedConvolution
    let second: PackedConvolution?
    let point: PackedMatrix?  // (2F, F)
    let link: ConstantList<PackedLink>
    /// What u starts from, and the result of the first of two convolutions; nil for zero.
    let verticalStart: PackedRows?  // (labels, 2F)
    let betweenStart: PackedRows?  // (F)
    /// What is added to u when the link has read it.
    let afterLink: PackedRows?  // (labels, 2F)
    /// What the link reads above the first row, where it reads the row above.
    let firstSource: PackedRows?  // (2F)
    /// What the horizontal pre-activations start from; nil for zero.
    let horizontalStart: PackedRows?  // (labels, 2 · room)
    let hasVerticalResidual: Bool
    let verticalNorm: PackedNorm

    /// The taps left of the pixel, for all groups at once, cut by when their inputs are known: the nearest column's
    /// colour group c, with all farther columns before group 0. Where the block reads values, the nearest column
    /// belongs to the centre: it is known when the pixel begins.
    let left: ConstantList<PackedColumns>  // [C] × (C · pair, g, or (p − 1)·F + g for the first)
    let centre: ConstantList<PackedColumns>  // [C] × (pair, groups that may be seen · g)
    /// The sum of the gates, for the head; empty where there is none.
    let skip: ConstantList<PackedMatrix>  // [C] × (g, groups up to c)
    /// Empty where the block's output feeds nothing.
    let projection: ConstantList<PackedMatrix>  // [C] × (g, groups up to c)
    let projectionBias: PackedRows?  // (F)
    let hasResidual: Bool
    let horizontalNorm: PackedNorm

    var byteCount: Int {
        let rows = [verticalStart, betweenStart, afterLink, firstSource, horizontalStart, projectionBias]
        return vertical.byteCount + (second?.byteCount ?? 0) + (point?.byteCount ?? 0)
            + link.reduce(0) { $0 + $1.matrix.byteCount } + rows.reduce(0) { $0 + ($1?.byteCount ?? 0) }
            + (Array(left) + Array(centre)).reduce(0) { $0 + $1.matrix.byteCount } + skip.weightBytes
            + projection.weightBytes
            + verticalNorm.byteCount + horizontalNorm.byteCount
    }

    init(_ packer: Packer, index: Int) {
        let (network, shape) = (packer.model.description, packer.shape)
        let block = network.blocks[index]
        let (features, filters) = (shape.features, shape.features.channels)
        let bounds = packer.bounds?.blocks[index]
        order =
            switch (block.point, block.linkSource) {
            case (_, .sumOfRowAbove): .rowAbove
            case (nil, _): .thisRow
            default: .both
            }

        // The vertical stack.
        vertical = PackedConvolution(packer, block.vertical, reading: bounds?.vertical)
        second = block.second.map { PackedConvolution(packer, $0, reading: bounds?.between) }
        point = block.point.map { point in
            let weights = packer.weights(point)
            return packer.matrix(
                lanes: 2 * filters, depth: point.inputs.count, forRows: true, reading: bounds?.vertical
            ) { lane, k in
                weights(output: lane, input: k, tap: 0)
            }
        }
        let isLinkOfSum = block.linkSource != .convolution
        let points = block.point.map { [$0] } ?? []
        let gated = block.gated
        verticalStart = packer.rows(
            bias: [gated] + (isLinkOfSum ? points : []), label: isLinkOfSum ? block.verticalLabel : nil)
        betweenStart = block.second == nil ? nil : packer.rows(bias: [block.vertical])
        afterLink = isLinkOfSum ? nil : packer.rows(bias: points, label: block.verticalLabel)
        firstSource = order == .rowAbove ? packer.rows(bias: [gated]) ?? packer.zeroRow(2 * filters) : nil
        hasVerticalResidual = block.hasVerticalResidual
        verticalNorm = PackedNorm(packer, block.verticalNorm, block.output.outputs)

        // The link, to the halves of the horizontal pre-activations.
        let room = shape.featureRoom
        var linkBias: [Convolution] = []
        switch block.link {
        case .full(let layer):
            let weights = packer.weights(layer)
            link = packer.list(2) { half in
                let matrix = packer.matrix(
                    lanes: filters, depth: 2 * filters, forRows: true, reading: bounds?.link
                ) { lane, k in
                    weights(output: half * filters + lane, input: k, tap: 0)
                }
                return PackedLink(matrix: matrix, input: 0, output: half * room)
            }
            linkBias = [layer]
        case .halves(let tanh, let sigmoid):
            let weights = [packer.weights(tanh), packer.weights(sigmoid)]
            link = packer.list(2 * features.count) { i in
                let (j, half) = (i / 2, i % 2)
                let first = features.start(j)
                let matrix = packer.matrix(
                    lanes: filters - first, depth: features.size(j), forRows: true, reading: bounds?.link,
                    from: half * filters + first
                ) { lane, k in
                    weights[half](output: first + lane, input: first + k, tap: 0)
                }
                return PackedLink(matrix: matrix, input: half * filters + first, output: half * room + first)
            }
        }
        horizontalStart = packer.rows(
            bias: linkBias + [block.horizontal], label: block.horizontalLabel, stride: 2 * room
        ) { i in i < filters ? i : room + i - filters }

        // The horizontal stack.
        let kept = shape.columns[index]
        let weights = packer.weights(block.horizontal)
        let isFirstOfValues = index == 0 && shape.blocksReadValues
        let seen = block.horizontal.taps
        let taps = (0...kept.left).map { column in seen.firstIndex { $0.column == column - kept.left } }
        let inputs = ColorGroups(kept.width, groups: features.count)
        let nearest = (kept.left - 1) * kept.width
        // A dilated window does not see the nearest column; what it sees is there when the pixel begins.
        let seesNearest = kept.left > 0 && taps[kept.left - 1] != nil
        let isNearestOfCentre = isFirstOfValues && seesNearest
        let firstSeen = taps[..<kept.left].firstIndex { $0 != nil } ?? 0
        let lastSeen = taps[..<kept.left].lastIndex { $0 != nil } ?? -1
        let columns = isNearestOfCentre ? lastSeen : lastSeen + 1
        left = packer.list(features.count) { c in
            // Floats of the columns, from the farthest one on.
            let range =
                seesNearest && !isNearestOfCentre
                ? (c == 0 ? firstSeen * kept.width : nearest + inputs.start(c))..<nearest + inputs.end(c)
                : c == 0 && columns > firstSeen ? firstSeen * kept.width..<columns * kept.width : 0..<0
            let matrix = packer.matrix(
                lanes: shape.pairs, depth: range.count, reading: bounds?.horizontal, from: range.lowerBound
            ) { lane, k in
                let (group, lane) = (lane / shape.pair, lane % shape.pair)
                guard lane < 2 * features.size(group), let tap = taps[(range.lowerBound + k) / kept.width] else {
                    return 0
                }
                return weights(
                    output: features.channel(group, lane: lane), input: (range.lowerBound + k) % kept.width, tap: tap)
            }
            return PackedColumns(matrix: matrix, first: range.lowerBound)
        }
        centre = packer.list(features.count) { c in
            let start = isNearestOfCentre ? nearest : kept.left * kept.width
            let depth = kept.left * kept.width - start + block.horizontal.seen(c, of: inputs)
            let matrix = packer.matrix(
                lanes: 2 * features.size(c), depth: depth, reading: bounds?.horizontal, from: start
            ) { lane, k in
                guard let tap = taps[(start + k) / kept.width] else { return 0 }
                return weights(
                    output: features.channel(c, lane: lane), input: (start + k) % kept.width, tap: tap)
            }
            return PackedColumns(matrix: matrix, first: start)
        }
        skip =
            block.skip.map { packer.pointwise($0, features, features, reading: bounds?.gates) }
            ?? packer.storage.list([PackedMatrix]())
        let feedsNothing = network.head.takesSkips && index + 1 == shape.blocks
        projection =
            feedsNothing
            ? packer.storage.list([PackedMatrix]())
            : packer.pointwise(block.output, features, features, reading: bounds?.gates)
        // Products start from whole vectors of a group.
        projectionBias = packer.rows(bias: [block.output], stride: filters.roundedUpToLanes + Kernels.lanes)
        hasResidual = block.hasResidual
        horizontalNorm = PackedNorm(packer, block.horizontalNorm, block.output.outputs)
    }
}

/// A matrix and the first of the floats that it reads, of the columns kept for its block.
struct PackedColumns: Sendable, BitwiseCopyable {
    let matrix: PackedMatrix
    let first: Int
}

/// A part of the link: from some of u to some of the horizontal pre-activations.
struct PackedLink: Sendable, BitwiseCopyable {
    let matrix: PackedMatrix
    let input: Int
    let output: Int
}

/// A convolution of the vertical stack, window by window, top to bottom: (outputs, columns · inputs), or with
/// Winograd's F(2, 3) four (outputs, inputs) per kernel row.
struct PackedConvolution: Sendable, BitwiseCopyable {
    let matrices: ConstantList<PackedMatrix>
    let windows: ConstantList<Window>
    let usesWinograd: Bool
    let inputs: Int
    let outputs: Int

    /// Columns of a row that lie side by side, the first of them and its row relative to the output.
    struct Window: BitwiseCopyable {
        let row: Int
        let column: Int
    }

    /// Of a result: whole vectors.
    var stride: Int { outputs.roundedUpToLanes }
    var byteCount: Int { matrices.weightBytes }

    init(_ packer: Packer, _ layer: Convolution, reading bounds: [Float]?) {
        let weights = packer.weights(layer)
        let (inputs, outputs) = (layer.inputs.count, layer.outputs.count)
        let (rows, all) = (layer.rowOffsets, layer.taps)
        func tap(_ row: Int, _ column: Int) -> Int {
            all.firstIndex { $0.row == row && $0.column == column } ?? 0
        }
        usesWinograd = layer.allowsWinograd
        if usesWinograd {
            windows = packer.storage.list(rows.map { Window(row: $0, column: -1) })
            matrices = packer.list(rows.count * 4) { i in
                let first = tap(rows[i / 4], -1)
                // Sums and differences of two columns.
                return packer.matrix(
                    lanes: outputs, depth: inputs, forRows: true, reading: bounds?.map { 2 * $0 }
                ) { lane, k in
                    winogradWeight(i % 4) { weights(output: lane, input: k, tap: first + $0) }
                }
            }
        } else {
            // Columns side by side make one window, others one each.
            let cuts = rows.flatMap { row in
                let columns = layer.columnOffsets(row: row)
                return columns.last.map { $0 - columns[0] + 1 == columns.count } == true
                    ? [(row, columns)] : columns.map { (row, [$0]) }
            }
            windows = packer.storage.list(cuts.map { Window(row: $0.0, column: $0.1[0]) })
            matrices = packer.list(cuts.count) { i in
                let (row, columns) = cuts[i]
                let taps = columns.map { tap(row, $0) }
                return packer.matrix(
                    lanes: outputs, depth: columns.count * inputs, forRows: true, reading: bounds
                ) { lane, k in
                    weights(output: lane, input: k % inputs, tap: taps[k / inputs])
                }
            }
        }
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// Weight `position` of the four that F(2, 3) makes of a window's three, rounded once.
private func winogradWeight(_ position: Int, of tap: (Int) -> Float) -> Float {
    let (g0, g1, g2) = (Double(tap(0)), Double(tap(1)), Double(tap(2)))
    return Float([g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2][position])
}

/// What a layer's sums start from or have added: a row, or one per class.
struct PackedRows: Sendable, BitwiseCopyable {
    private let values: ConstantList<Float>  // (rows, stride)
    let stride: Int
    let isPerLabel: Bool

    var byteCount: Int { values.byteCount }

    init(_ values: ConstantList<Float>, stride: Int, isPerLabel: Bool) {
        self.values = values
        self.stride = stride
        self.isPerLabel = isPerLabel
    }

    /// The row of an image of this class.
    func row(_ label: Int?) -> UnsafePointer<Float> { values.base + (isPerLabel ? (label ?? 0) * stride : 0) }
}

/// What follows a block's output.
struct PackedNorm: Sendable, BitwiseCopyable {
    enum Kind: BitwiseCopyable {
        case none
        /// Over a colour group, whose weight and bias are shared by all.
        case layer
        /// A scale and a shift per feature.
        case scale
    }

    let kind: Kind
    let weight: ConstantList<Float>  // (g), or (F)
    let bias: ConstantList<Float>  // (g), or (F)

    var byteCount: Int { weight.byteCount + bias.byteCount }

    init(_ packer: Packer, _ norm: NetworkDescription.Norm, _ order: ChannelOrder) {
        let (weight, bias): ([Float], [Float])
        switch norm {
        case .none: (kind, weight, bias) = (.none, [], [])
        case .layer(let name):
            kind = .layer
            (weight, bias) = (packer.model[name + ".weight"].floats(), packer.model[name + ".bias"].floats())
        case .batch(let name):
            kind = .scale
            (weight, bias) = packer.model.batchNorm(name, order)
        }
        self.weight = packer.storage.list(weight)
        self.bias = packer.storage.list(bias)
    }
}

/// From features to logits, for each colour group.
struct PackedHead: Sendable, BitwiseCopyable {
    /// What the sum of the skips starts from, group by group, in whole vectors; nil where the features go in.
    let skipStart: PackedRows?
    /// What the features, or that sum, go through first.
    let before: PackedInput.Activation
    /// All layers but the last.
    let hidden: ConstantList<PackedLayer>
    let logits: PackedLogits

    var byteCount: Int { hidden.reduce((skipStart?.byteCount ?? 0) + logits.byteCount) { $0 + $1.byteCount } }

    init(_ packer: Packer) {
        let (network, shape) = (packer.model.description, packer.shape)
        let head = network.head
        before = PackedInput.Activation(head.before)
        skipStart =
            head.takesSkips
            ? packer.rows(
                bias: network.blocks.compactMap(\.skip), label: head.label,
                stride: shape.features.count * shape.skipRoom
            ) { i in
                let group = shape.features.group(of: i)
                return group * shape.skipRoom + i - shape.features.start(group)
            } : nil
        var inputs = shape.features
        let last = head.layers.count - 1
        hidden = packer.list(last) { i in
            let layer = head.layers[i]
            let outputs = layer.outputs.groups(shape.features.count)
            defer { inputs = outputs }
            return PackedLayer(
                packer, layer, inputs, outputs, reading: packer.bounds?.head[i],
                activation: PackedInput.Activation(head.between))
        }
        logits = PackedLogits(packer, head.layers[last], inputs, reading: packer.bounds?.head[last])
    }
}

/// A 1 × 1 convolution of the head.
struct PackedLayer: Sendable, BitwiseCopyable {
    let matrices: ConstantList<PackedMatrix>  // [C] × (outputs of group c, inputs of groups up to c)
    let biases: ConstantList<ConstantList<Float>>  // [C] × (outputs of group c in whole vectors)
    let outputs: ColorGroups
    let activation: PackedInput.Activation

    /// Of a group's sums: whole vectors.
    var stride: Int { (outputs.largest * (activation == .gate ? 2 : 1)).roundedUpToLanes }
    var byteCount: Int { matrices.weightBytes + biases.reduce(0) { $0 + $1.byteCount } }

    init(
        _ packer: Packer, _ layer: Convolution, _ inputs: ColorGroups, _ outputs: ColorGroups, reading bounds: [Float]?,
        activation: PackedInput.Activation
    ) {
        self.outputs = outputs
        self.activation = activation
        let halves = activation == .gate ? 2 : 1
        matrices = packer.pointwise(layer, inputs, outputs, halves: halves, reading: bounds)
        biases = packer.biases(of: layer, outputs, halves: halves)
    }
}

/// The last 1 × 1 convolution, cut in two: inputs that the passes before have computed, and the rest.
struct PackedLogits: Sendable, BitwiseCopyable {
    let earlier: ConstantList<PackedMatrix>  // [C] × (logits of a pass, inputs of groups before)
    let own: ConstantList<PackedMatrix>  // [C] × (logits of a pass, the other inputs that may be seen)
    let biases: ConstantList<ConstantList<Float>>  // [C] × (logits of a pass in whole vectors)
    /// The first inputs of `own`.
    let inputs: ColorGroups

    /// Of a pass: whole vectors.
    var stride: Int { biases.reduce(0) { max($0, $1.count) } }
    var byteCount: Int { earlier.weightBytes + own.weightBytes + biases.reduce(0) { $0 + $1.byteCount } }

    init(_ packer: Packer, _ layer: Convolution, _ inputs: ColorGroups, reading bounds: [Float]?) {
        let outputs = layer.outputs.groups(packer.shape.features.count)
        self.inputs = inputs
        earlier = packer.pointwise(layer, inputs, outputs, reading: bounds) { c in 0..<inputs.start(c) }
        own = packer.pointwise(layer, inputs, outputs, reading: bounds) { c in
            inputs.start(c)..<layer.seen(c, of: inputs)
        }
        biases = packer.biases(of: layer, outputs)
    }
}

extension ConstantList<PackedMatrix> {
    fileprivate var weightBytes: Int { reduce(0) { $0 + $1.byteCount } }
}

extension NetworkShape {
    /// Of a group's share of the sum of the skips: whole vectors.
    var skipRoom: Int { features.largest.roundedUpToLanes }
}

/// What packing needs of a model; one tensor is read at a time, so that little of the file is in memory at once.
struct Packer {
    let model: Model
    let shape: NetworkShape
    let kernels: Kernels
    /// Where products are of integers.
    let bounds: ActivationBounds?
    let storage: ConstantStorage

    func weights(_ layer: Convolution) -> ConvolutionWeights { model.weights(of: layer) }

    /// A matrix whose input k is within the bound of channel `first` + k, modulo the channels.
    func matrix(
        lanes: Int, depth: Int, forRows: Bool = false, reading bounds: [Float]?, from first: Int = 0,
        weight: (_ lane: Int, _ k: Int) -> Float
    ) -> PackedMatrix {
        PackedMatrix(
            kernels: kernels, storage: storage, lanes: lanes, depth: depth, forRows: forRows,
            inputBounds: bounds.map { bounds in (0..<depth).map { bounds[(first + $0) % bounds.count] } },
            weight: weight)
    }

    /// A 1 × 1 convolution, group by group; of two halves, those of a group side by side. Of all inputs that a group
    /// sees, or of a range of them.
    func pointwise(
        _ layer: Convolution, _ inputs: ColorGroups, _ outputs: ColorGroups, halves: Int = 1, reading bounds: [Float]?,
        of range: ((_ c: Int) -> Range<Int>)? = nil
    ) -> ConstantList<PackedMatrix> {
        let weights = weights(layer)
        return list(outputs.count) { c in
            let range = range?(c) ?? 0..<layer.seen(c, of: inputs)
            return matrix(
                lanes: halves * outputs.size(c), depth: range.count, reading: bounds, from: range.lowerBound
            ) { lane, k in
                weights(output: outputs.channel(c, lane: lane), input: range.lowerBound + k, tap: 0)
            }
        }
    }

    /// The biases of a layer, group by group, in whole vectors.
    func biases(of layer: Convolution, _ outputs: ColorGroups, halves: Int = 1) -> ConstantList<ConstantList<Float>> {
        let bias = model.bias(of: layer)
        return list(outputs.count) { c in
            let lanes = (0..<halves * outputs.size(c)).map { bias[outputs.channel(c, lane: $0)] }
            return storage.list(lanes + Array(repeating: 0, count: lanes.count.roundedUpToLanes - lanes.count))
        }
    }

    /// Where output `i` is among the pairs of all groups.
    func pairPlace(_ i: Int) -> Int {
        let (half, i) = (i / shape.features.channels, i % shape.features.channels)
        let group = shape.features.group(of: i)
        return group * shape.pair + half * shape.features.size(group) + i - shape.features.start(group)
    }

    /// `count` elements, made one after the other.
    func list<Element: BitwiseCopyable>(_ count: Int, _ element: (Int) -> Element) -> ConstantList<Element> {
        storage.list((0..<count).map(element))
    }

    /// No rows at all.
    var noRows: PackedRows { PackedRows(storage.list([Float]()), stride: 0, isPerLabel: false) }

    /// A row of zeros.
    func zeroRow(_ count: Int) -> PackedRows {
        let stride = count.roundedUpToLanes
        return PackedRows(storage.list(repeatElement(Float(0), count: stride)), stride: stride, isPerLabel: false)
    }

    /// The biases of some layers of the same outputs and what a class adds, together, each output at its place; nil
    /// where all of that is absent.
    func rows(
        bias layers: [Convolution], label: ClassTable? = nil, stride: Int? = nil, place: (Int) -> Int = { $0 }
    ) -> PackedRows? {
        let layers = layers.filter(\.hasBias)
        guard let outputs = label?.outputs ?? layers.first?.outputs else { return nil }
        var bias = [Float](repeating: 0, count: outputs.count)
        for layer in layers { for (i, value) in model.bias(of: layer).enumerated() { bias[i] += value } }
        let rows = label.map(model.rows) ?? [bias]
        let stride = stride ?? outputs.count.roundedUpToLanes
        var values = [Float](repeating: 0, count: rows.count * stride)
        for (i, row) in rows.enumerated() {
            for (j, value) in row.enumerated() {
                values[i * stride + place(j)] = label == nil || layers.isEmpty ? value : value + bias[j]
            }
        }
        return PackedRows(storage.list(values), stride: stride, isPerLabel: label != nil)
    }
}
