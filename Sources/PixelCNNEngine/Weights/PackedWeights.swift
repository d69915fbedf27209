// A model's weights, laid out for the engine. Masked entries are dropped (a colour group reads only the groups that it
// may see), the even and odd rows of `h_conv` become a tanh half and a sigmoid half, and outputs are grouped by colour,
// because one colour group is computed a value. Layout changes here, once, at load, and nowhere else.

import PixelCNNModel

/// All weights of a model, packed for one instruction set in one precision. Immutable.
struct PackedWeights: Sendable, BitwiseCopyable {
    let input: PackedInput
    let blocks: ConstantList<PackedBlock>
    let output: PackedOutput

    /// Bytes of all of them, padding included; without the masked entries that is about what the parameters take.
    var byteCount: Int { input.byteCount + blocks.reduce(0) { $0 + $1.byteCount } + output.byteCount }

    init(_ model: Model, kernels: Kernels, precision: Precision, storage: ConstantStorage) {
        let packer = Packer(model: model, kernels: kernels, precision: precision, storage: storage)
        input = PackedInput(packer)
        blocks = packer.list(model.hyperparameters.blocks) { PackedBlock(packer, index: $0) }
        output = PackedOutput(packer)
    }
}

/// `in_conv.0`: for each colour group, a matrix over the patch that the group may see (see ``Geometry/patchCount``).
struct PackedInput: Sendable, BitwiseCopyable {
    let groups: ConstantList<PackedMatrix>  // [C] × (g, above + left + earlier channels of the pixel)
    let biases: ConstantList<ConstantFloats>  // [C] × (g, whole vectors)

    var byteCount: Int { groups.byteCount + biases.byteCount }

    init(_ packer: Packer) {
        let (geometry, weight) = (packer.geometry, packer.floats("in_conv.0.weight"))  // (F, C, 7, 7)
        let (channels, group) = (geometry.channels, geometry.group)
        // The patch lists channels innermost, so that it is copied from a channels-last image in a few runs.
        groups = packer.list(channels) { c in
            packer.matrix(lanes: group, depth: geometry.patchContext + c) { lane, k in
                let (tap, channel) = (k / channels, k % channels)
                return weight[((c * group + lane) * channels + channel) * 49 + tap]
            }
        }
        biases = packer.biases("in_conv.0.bias", group: group)
    }
}

/// One gated block.
struct PackedBlock: Sendable, BitwiseCopyable {
    /// `v_conv` by kernel row, top to bottom: (2F, k·F), or with Winograd's F(2, 3) four (2F, F) a kernel row.
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
        return matrices.reduce(labels?.byteCount ?? 0) { $0 + $1.byteCount } + verticalNorm.byteCount
            + horizontalNorm.byteCount
    }

    init(_ packer: Packer, index: Int) {
        let geometry = packer.geometry
        let (filters, group, padding) = (geometry.filters, geometry.group, geometry.padding)
        let (kernel, channels, pair) = (geometry.kernelSize, geometry.channels, geometry.pair)
        let name = "gated_layers.\(index)."
        let isFirst = index == 0  // type A

        let kernelRows = isFirst ? padding : padding + 1
        let vConv = packer.floats(name + "v_conv.weight")  // (2F, F, kernelRows, k)
        func vertical(_ row: Int, _ lane: Int, _ input: Int, tap: Int) -> Float {
            vConv[((lane * filters + input) * kernelRows + row) * kernel + tap]
        }
        if geometry.usesWinograd {
            self.vertical = packer.list(kernelRows * 4) { i in
                packer.matrix(lanes: 2 * filters, depth: filters, forRows: true) { lane, k in
                    winogradWeight(i % 4) { vertical(i / 4, lane, k, tap: $0) }
                }
            }
        } else {
            self.vertical = packer.list(kernelRows) { row in
                packer.matrix(lanes: 2 * filters, depth: kernel * filters, forRows: true) { lane, k in
                    vertical(row, lane, k % filters, tap: k / filters)
                }
            }
        }
        let toTanh = packer.floats(name + "v1toh.weight")  // (F, F, 1, 1)
        let toSigmoid = packer.floats(name + "v2toh.weight")
        func fromGroup(_ weight: [Float], _ j: Int) -> PackedMatrix {
            packer.matrix(lanes: filters - j * group, depth: group, forRows: true) { lane, k in
                weight[(j * group + lane) * filters + j * group + k]
            }
        }
        verticalToTanh = packer.list(channels) { fromGroup(toTanh, $0) }
        verticalToSigmoid = packer.list(channels) { fromGroup(toSigmoid, $0) }

        // A group's pair is its tanh half, then its sigmoid half; in the file they are even and odd rows.
        let hConv = packer.floats(name + "h_conv.weight")  // (2F, F, 1, k)
        func horizontal(_ c: Int, _ lane: Int, _ input: Int, tap: Int) -> Float {
            let row = lane < group ? 2 * (c * group + lane) : 2 * (c * group + lane - group) + 1
            return hConv[(row * filters + input) * kernel + tap]
        }
        left = packer.list(channels) { c in
            let inputs = geometry.leftInputs(c)
            return packer.matrix(lanes: channels * pair, depth: inputs.count) { lane, i in
                let k = inputs.lowerBound + i
                return lane % pair < 2 * group ? horizontal(lane / pair, lane % pair, k % filters, tap: k / filters) : 0
            }
        }
        centre = packer.list(channels) { c in
            packer.matrix(lanes: 2 * group, depth: (isFirst ? c : c + 1) * group) { lane, k in
                horizontal(c, lane, k, tap: padding)
            }
        }
        let htoh = packer.floats(name + "htoh.weight")  // (F, F, 1, 1)
        projection = packer.list(channels) { c in
            packer.matrix(lanes: group, depth: (c + 1) * group) { lane, k in htoh[(c * group + lane) * filters + k] }
        }
        verticalNorm = PackedNorm(packer, name: "v_norm_layers.\(index)")
        horizontalNorm = PackedNorm(packer, name: "h_norm_layers.\(index)")
        labels = packer.model.hyperparameters.isConditional ? PackedLabels(packer, block: name) : nil
    }
}

/// What each class adds to a block: a row a class where the file has a column, laid out as the sums that it starts.
struct PackedLabels: Sendable, BitwiseCopyable {
    private let vertical: ConstantFloats  // `v_label`: (labels, 2F in whole vectors)
    private let horizontal: ConstantFloats  // `h_label`: (labels, 2 · half): tanh half, sigmoid half
    private let verticalStride: Int
    private let horizontalStride: Int

    var byteCount: Int { vertical.byteCount + horizontal.byteCount }

    init(_ packer: Packer, block: String) {
        let (geometry, labels) = (packer.geometry, packer.model.hyperparameters.labels)
        let (filters, half) = (geometry.filters, geometry.half)
        let (v, h) = (packer.floats(block + "v_label.weight"), packer.floats(block + "h_label.weight"))  // (2F, labels)
        let (verticalStride, horizontalStride) = ((2 * filters).roundedUpToLanes, 2 * half)
        vertical = packer.storage.floats(count: labels * verticalStride) { rows in
            for label in 0..<labels {
                for i in 0..<2 * filters { rows[label * verticalStride + i] = v[i * labels + label] }
            }
        }
        // As with h_conv, even rows are the tanh half and odd ones the sigmoid half.
        horizontal = packer.storage.floats(count: labels * horizontalStride) { rows in
            for label in 0..<labels {
                for i in 0..<2 * filters {
                    rows[label * horizontalStride + i % 2 * half + i / 2] = h[i * labels + label]
                }
            }
        }
        (self.verticalStride, self.horizontalStride) = (verticalStride, horizontalStride)
    }

    /// Where u starts, (2F in whole vectors).
    func vertical(_ label: Int) -> UnsafePointer<Float> { vertical.base + label * verticalStride }

    /// Where the horizontal pre-activations start, (2 · half).
    func horizontal(_ label: Int) -> UnsafePointer<Float> { horizontal.base + label * horizontalStride }
}

/// Weight `position` of the four that F(2, 3) makes of a window's three, rounded once.
private func winogradWeight(_ position: Int, of tap: (Int) -> Float) -> Float {
    let (g0, g1, g2) = (Double(tap(0)), Double(tap(1)), Double(tap(2)))
    return Float([g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2][position])
}

/// The weight and bias of a layer norm, shared by the colour groups.
struct PackedNorm: Sendable, BitwiseCopyable {
    let weight: ConstantFloats  // (g)
    let bias: ConstantFloats  // (g)

    var byteCount: Int { weight.byteCount + bias.byteCount }

    init(_ packer: Packer, name: String) {
        weight = packer.storage.floats(packer.floats(name + ".weight"))
        bias = packer.storage.floats(packer.floats(name + ".bias"))
    }
}

/// `out_conv`: two layers for each colour group.
struct PackedOutput: Sendable, BitwiseCopyable {
    let hidden: ConstantList<PackedMatrix>  // [C] × (hidden / C, (c + 1)·g)
    let hiddenBiases: ConstantList<ConstantFloats>  // [C] × (hidden / C, whole vectors)
    let logits: ConstantList<PackedMatrix>  // [C] × (d, (c + 1) · hidden / C)
    let logitBiases: ConstantList<ConstantFloats>  // [C] × (d, whole vectors)

    var byteCount: Int { hidden.byteCount + logits.byteCount + hiddenBiases.byteCount + logitBiases.byteCount }

    init(_ packer: Packer) {
        let geometry = packer.geometry
        let (first, last) = (packer.floats("out_conv.0.weight"), packer.floats("out_conv.2.weight"))
        let (filters, hiddenCount) = (geometry.filters, geometry.hidden)
        let (group, hiddenGroup, colors) = (geometry.group, geometry.hiddenGroup, geometry.colors)
        hidden = packer.list(geometry.channels) { c in
            packer.matrix(lanes: hiddenGroup, depth: (c + 1) * group) { lane, k in
                first[(c * hiddenGroup + lane) * filters + k]
            }
        }
        logits = packer.list(geometry.channels) { c in
            packer.matrix(lanes: colors, depth: (c + 1) * hiddenGroup) { lane, k in
                last[(c * colors + lane) * hiddenCount + k]
            }
        }
        hiddenBiases = packer.biases("out_conv.0.bias", group: hiddenGroup)
        logitBiases = packer.biases("out_conv.2.bias", group: colors)
    }
}

extension ConstantList<PackedMatrix> {
    fileprivate var byteCount: Int { reduce(0) { $0 + $1.byteCount } }
}

extension ConstantList<ConstantFloats> {
    fileprivate var byteCount: Int { reduce(0) { $0 + $1.byteCount } }
}

/// What packing needs of a model; one tensor is read at a time, so that little of the file is in memory at once.
struct Packer {
    let model: Model
    let kernels: Kernels
    let precision: Precision
    let storage: ConstantStorage
    var geometry: Geometry { Geometry(model.hyperparameters) }

    func floats(_ name: String) -> [Float] { model[name].floats() }

    /// What meets a pixel is read anew for each, so it may be kept in less precision; what meets a row need not.
    func matrix(
        lanes: Int, depth: Int, forRows: Bool = false, weight: (_ lane: Int, _ k: Int) -> Float
    ) -> PackedMatrix {
        PackedMatrix(
            kernels: kernels, storage: storage, lanes: lanes, depth: depth, forRows: forRows,
            precision: forRows ? .f32 : precision, weight: weight)
    }

    /// `count` elements, made one after the other.
    func list<Element: BitwiseCopyable>(_ count: Int, _ element: (Int) -> Element) -> ConstantList<Element> {
        storage.list((0..<count).map(element))
    }

    /// A bias by colour group, each padded with zeros to whole vectors.
    func biases(_ name: String, group: Int) -> ConstantList<ConstantFloats> {
        let bias = floats(name)
        return list(bias.count / group) { c in
            storage.floats(
                bias[c * group..<(c + 1) * group] + Array(repeating: 0, count: group.roundedUpToLanes - group))
        }
    }
}
