// A model's weights, laid out for the engine: WeightLayout's matrices, packed for the kernels. The taps left of the
// pixel are apart from its centre, v1toh and v2toh go by input group, and v_conv through F(2, 3). Layout changes here,
// once, at load, and nowhere else.

import PixelCNNKernels
import PixelCNNModel

/// All weights of a model, packed for one instruction set in one precision. Immutable.
struct PackedWeights: Sendable, BitwiseCopyable {
    let input: PackedInput
    let blocks: ConstantList<PackedBlock>
    let output: PackedOutput

    /// Bytes of all of them, padding included; without the masked entries that is about what the parameters take.
    var byteCount: Int { input.byteCount + blocks.reduce(0) { $0 + $1.byteCount } + output.byteCount }

    init(_ model: Model, kernels: Kernels, precision: Precision, storage: ConstantStorage) {
        let packer = Packer(
            model: model, layout: WeightLayout(NetworkSizes(model.hyperparameters)), kernels: kernels,
            precision: precision, storage: storage)
        input = PackedInput(packer)
        blocks = packer.list(model.hyperparameters.blocks) { PackedBlock(packer, index: $0) }
        output = PackedOutput(packer)
    }
}

/// `in_conv.0`: for each colour group, a matrix over the patch that the group may see.
struct PackedInput: Sendable, BitwiseCopyable {
    let groups: ConstantList<PackedMatrix>  // [C] × (g, above + left + earlier channels of the pixel)
    let biases: ConstantList<ConstantList<Float>>  // [C] × (g, whole vectors)

    var byteCount: Int { groups.weightBytes + biases.weightBytes }

    init(_ packer: Packer) {
        groups = packer.matrices { packer.layout.input($0) }
        biases = packer.biases("in_conv.0.bias", group: packer.sizes.group)
    }
}

/// One gated block.
struct PackedBlock: Sendable, BitwiseCopyable {
    /// `v_conv` by kernel row, top to bottom: (2F, k·F), or with Winograd's F(2, 3) four (2F, F) per kernel row.
    let vertical: ConstantList<PackedMatrix>
    /// `v1toh` and `v2toh` by *input* group: group j feeds the outputs of groups ≥ j, so lanes start at group j.
    let verticalToTanh: ConstantList<PackedMatrix>  // [C] × (F − j·g, g)
    let verticalToSigmoid: ConstantList<PackedMatrix>  // [C] × (F − j·g, g)
    /// The taps left of the pixel, for all groups at once, cut by when their inputs are known: the nearest column's
    /// colour group c, with all farther columns before group 0.
    let left: ConstantList<PackedMatrix>  // [C] × (C · pair, g, or (p − 1)·F + g for the first)
    let centre: ConstantList<PackedMatrix>  // [C] × (pair, groups that may be seen · g)
    let projection: ConstantList<PackedMatrix>  // `htoh`: [C] × (g, (c + 1)·g)
    let verticalNorm: PackedNorm
    let horizontalNorm: PackedNorm
    let labels: PackedLabels?  // of a conditional model

    var byteCount: Int {
        let matrices = [vertical, verticalToTanh, verticalToSigmoid, left, centre, projection]
        return matrices.reduce(labels?.byteCount ?? 0) { $0 + $1.weightBytes } + verticalNorm.byteCount
            + horizontalNorm.byteCount
    }

    init(_ packer: Packer, index: Int) {
        let (sizes, layout) = (packer.sizes, packer.layout)
        let (filters, group) = (sizes.filters, sizes.group)

        let kernelRows = (0..<sizes.kernelRows(index)).map { layout.vertical(index, kernelRow: $0) }
        if sizes.usesWinograd {
            let weights = packer.floats(kernelRows[0].tensor)
            vertical = packer.list(kernelRows.count * 4) { i in
                packer.matrix(lanes: 2 * filters, depth: filters, forRows: true) { lane, k in
                    winogradWeight(i % 4) { weights[kernelRows[i / 4].index($0 * filters + k, lane)] }
                }
            }
        } else {
            vertical = packer.matrices(kernelRows.count, forRows: true) { kernelRows[$0] }
        }

        func byInput(_ outputs: [WeightLayout.Matrix]) -> ConstantList<PackedMatrix> {
            let weights = packer.floats(outputs[0].tensor)
            return packer.list(sizes.channels) { j in
                packer.matrix(lanes: filters - j * group, depth: group, forRows: true) { lane, k in
                    weights[outputs[j + lane / group].index(j * group + k, lane % group)]
                }
            }
        }
        verticalToTanh = byInput((0..<sizes.channels).map { layout.toTanh(index, $0) })
        verticalToSigmoid = byInput((0..<sizes.channels).map { layout.toSigmoid(index, $0) })

        let horizontal = (0..<sizes.channels).map { layout.horizontal(index, $0) }
        let weights = packer.floats(horizontal[0].tensor)
        left = packer.list(sizes.channels) { c in
            let inputs = sizes.leftInputs(c)
            return packer.matrix(lanes: sizes.pairs, depth: inputs.count) { lane, k in
                let (output, lane) = (horizontal[lane / sizes.pair], lane % sizes.pair)
                return lane < output.lanes ? weights[output.index(inputs.lowerBound + k, lane)] : 0
            }
        }
        let leftCount = sizes.padding * filters
        centre = packer.list(sizes.channels) { c in
            packer.matrix(lanes: 2 * group, depth: horizontal[c].depth - leftCount) { lane, k in
                weights[horizontal[c].index(leftCount + k, lane)]
            }
        }
        projection = packer.matrices { layout.projection(index, $0) }
        verticalNorm = PackedNorm(packer, name: "v_norm_layers.\(index)")
        horizontalNorm = PackedNorm(packer, name: "h_norm_layers.\(index)")
        labels = packer.model.hyperparameters.isConditional ? PackedLabels(packer, block: index) : nil
    }
}

/// What each class adds to a block: a row per class where the file has a column, laid out as the sums that it starts.
struct PackedLabels: Sendable, BitwiseCopyable {
    private let vertical: ConstantList<Float>  // `v_label`: (labels, 2F in whole vectors)
    private let horizontal: ConstantList<Float>  // `h_label`: (labels, 2 · room): tanh half, sigmoid half
    private let verticalStride: Int
    private let horizontalStride: Int

    var byteCount: Int { vertical.byteCount + horizontal.byteCount }

    init(_ packer: Packer, block: Int) {
        let sizes = packer.sizes
        let (group, room) = (sizes.group, sizes.featureRoom)
        let (verticalStride, horizontalStride) = (sizes.preactivations, 2 * room)
        let v = packer.layout.verticalLabel(block)
        let vWeights = packer.floats(v.tensor)
        vertical = packer.storage.numbers(sizes.labels * verticalStride) { rows in
            for label in 0..<sizes.labels {
                for lane in 0..<v.lanes { rows[label * verticalStride + lane] = vWeights[v.index(label, lane)] }
            }
        }
        let hWeights = packer.floats(packer.layout.horizontalLabel(block, 0).tensor)
        horizontal = packer.storage.numbers(sizes.labels * horizontalStride) { rows in
            for c in 0..<sizes.channels {
                let h = packer.layout.horizontalLabel(block, c)
                for label in 0..<sizes.labels {
                    for lane in 0..<h.lanes {
                        let place = c * group + (lane < group ? lane : room + lane - group)
                        rows[label * horizontalStride + place] = hWeights[h.index(label, lane)]
                    }
                }
            }
        }
        self.verticalStride = verticalStride
        self.horizontalStride = horizontalStride
    }

    /// Where u starts, (2F in whole vectors).
    func vertical(_ label: Int) -> UnsafePointer<Float> { vertical.base + label * verticalStride }

    /// Where the horizontal pre-activations start, (2 · room).
    func horizontal(_ label: Int) -> UnsafePointer<Float> { horizontal.base + label * horizontalStride }
}

/// Weight `position` of the four that F(2, 3) makes of a window's three, rounded once.
private func winogradWeight(_ position: Int, of tap: (Int) -> Float) -> Float {
    let (g0, g1, g2) = (Double(tap(0)), Double(tap(1)), Double(tap(2)))
    return Float([g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2][position])
}

/// The weight and bias of a layer norm, shared by the colour groups.
struct PackedNorm: Sendable, BitwiseCopyable {
    let weight: ConstantList<Float>  // (g)
    let bias: ConstantList<Float>  // (g)

    var byteCount: Int { weight.byteCount + bias.byteCount }

    init(_ packer: Packer, name: String) {
        weight = packer.storage.list(packer.floats(name + ".weight"))
        bias = packer.storage.list(packer.floats(name + ".bias"))
    }
}

/// `out_conv`: two layers for each colour group.
struct PackedOutput: Sendable, BitwiseCopyable {
    let hidden: ConstantList<PackedMatrix>  // [C] × (hidden / C, (c + 1)·g)
    let hiddenBiases: ConstantList<ConstantList<Float>>  // [C] × (hidden / C, whole vectors)
    let logits: ConstantList<PackedMatrix>  // [C] × (d, (c + 1) · hidden / C)
    let logitBiases: ConstantList<ConstantList<Float>>  // [C] × (d, whole vectors)

    var byteCount: Int {
        hidden.weightBytes + logits.weightBytes + hiddenBiases.weightBytes + logitBiases.weightBytes
    }

    init(_ packer: Packer) {
        hidden = packer.matrices { packer.layout.hidden($0) }
        logits = packer.matrices { packer.layout.logits($0) }
        hiddenBiases = packer.biases("out_conv.0.bias", group: packer.sizes.hiddenGroup)
        logitBiases = packer.biases("out_conv.2.bias", group: packer.sizes.colors)
    }
}

extension ConstantList<PackedMatrix> {
    fileprivate var weightBytes: Int { reduce(0) { $0 + $1.byteCount } }
}

extension ConstantList<ConstantList<Float>> {
    fileprivate var weightBytes: Int { reduce(0) { $0 + $1.byteCount } }
}

extension NetworkSizes {
    /// Of the p·F inputs left of a pixel, farthest column first, those that are known with the nearest pixel's group c.
    func leftInputs(_ c: Int) -> Range<Int> {
        let nearest = (padding - 1) * filters
        return (c == 0 ? 0 : nearest + c * group)..<nearest + (c + 1) * group
    }

    /// Whether the vertical convolutions use Winograd's F(2, 3), which a window of three columns allows: two thirds of
    /// the multiply-adds, and an error no larger.
    var usesWinograd: Bool { kernelSize == 3 }
}

/// What packing needs of a model; one tensor is read at a time, so that little of the file is in memory at once.
struct Packer {
    let model: Model
    let layout: WeightLayout
    let kernels: Kernels
    let precision: Precision
    let storage: ConstantStorage
    var sizes: NetworkSizes { layout.sizes }

    func floats(_ name: String) -> [Float] { model[name].floats() }

    /// What meets a pixel is read anew for each, so it may be kept in less precision; what meets a row need not.
    func matrix(
        lanes: Int, depth: Int, forRows: Bool = false, weight: (_ lane: Int, _ k: Int) -> Float
    ) -> PackedMatrix {
        PackedMatrix(
            kernels: kernels, storage: storage, lanes: lanes, depth: depth, forRows: forRows,
            precision: forRows ? .f32 : precision, weight: weight)
    }

    /// `count` matrices of one tensor, one per colour group where nothing is said, as the layout has them.
    func matrices(
        _ count: Int? = nil, forRows: Bool = false, _ matrix: (Int) -> WeightLayout.Matrix
    ) -> ConstantList<PackedMatrix> {
        let weights = floats(matrix(0).tensor)
        return list(count ?? sizes.channels) { i in
            let layout = matrix(i)
            return self.matrix(lanes: layout.lanes, depth: layout.depth, forRows: forRows) { lane, k in
                weights[layout.index(k, lane)]
            }
        }
    }

    /// `count` elements, made one after the other.
    func list<Element: BitwiseCopyable>(_ count: Int, _ element: (Int) -> Element) -> ConstantList<Element> {
        storage.list((0..<count).map(element))
    }

    /// A bias by colour group, each padded with zeros to whole vectors.
    func biases(_ name: String, group: Int) -> ConstantList<ConstantList<Float>> {
        let bias = floats(name)
        return list(bias.count / group) { c in
            storage.list(
                bias[c * group..<(c + 1) * group] + Array(repeating: 0, count: group.roundedUpToLanes - group))
        }
    }
}
