// Where each trained number lies while training: matrices as the kernels sum their gradients, (inputs, outputs), one
// after the other in one flat array; where it is in the file the network's description says. Entries under a mask have
// no place in a matrix: they get no gradient, no optimiser state and no step, and go back to the file as they came.

import PixelCNNKernels
import PixelCNNModel

/// A piece of a parameter: (inputs, lanes) numbers at `offset` in the flat array, rows `stride` apart. Vectors have one
/// row.
struct Slice: Sendable {
    let tensor: String
    let offset: Int
    let inputs: Int
    let lanes: Int
    /// Where (input, lane) lies in the row-major tensor of the file.
    let index: @Sendable (_ input: Int, _ lane: Int) -> Int

    var stride: Int { lanes.roundedUpToLanes }

    /// Where the numbers of one input begin.
    func row(_ input: Int) -> Int { offset + input * stride }
}

/// Every live parameter of a network. Colour groups are apart, since each sees other inputs.
struct ParameterLayout: Sendable {
    struct Norm: Sendable {
        let weight, bias: Slice  // (g)
    }

    /// From the vertical pre-activations to the horizontal ones.
    enum Link: Sendable {
        case halves(tanh: [Slice], sigmoid: [Slice])  // `v1toh`, `v2toh`: [C] × ((c + 1)g, g)
        case full(Slice, bias: Slice)  // (2F, 2F); of networks without colour groups
    }

    struct Block: Sendable {
        let padding: Int  // p: columns left of a pixel that both stacks see
        let verticalRows: [Int]  // of the kernel, relative to the output
        let vertical: [Slice]  // [kernel row] × (k · F, 2F)
        let verticalBias: Slice?  // (2F)
        let horizontal: [Slice]  // [C] × (left taps, then seen groups of the pixel; tanh half, then sigmoid half)
        let horizontalBias: Slice?  // (2F); of networks without colour groups
        let firstSeeing: [Int]  // [C]: the first group whose `horizontal` sees a group at its own pixel
        let link: Link
        let linkSeesLabel: Bool  // whether what goes into the link has the class's row in it
        let projection: [Slice]  // `htoh`: [C] × ((c + 1)g, g)
        let projectionBias: Slice?  // (F)
        let hasResidual: Bool
        let verticalNorm, horizontalNorm: Norm?
        let verticalLabel: Slice?  // (labels, 2F): a row per class
        let horizontalLabel: [Slice]  // [C] × (labels, 2g): tanh half, then sigmoid half; [] without labels
    }

    /// What both stacks start from.
    enum Input: Sendable {
        case convolution([Slice], bias: Slice)  // [C] × (context + c, g); (F)
        case table(Slice)  // (d, F)
    }

    let input: Input
    let blocks: [Block]
    let hidden: [Slice]  // [C] × ((c + 1)g, hidden / C)
    let hiddenBias: Slice
    let logits: [Slice]  // [C] × ((c + 1) hidden / C, d)
    let logitBias: Slice
    /// All of them, by offset.
    let slices: [Slice]
    /// Floats in all, whole vectors.
    let count: Int

    init(_ network: NetworkDescription) {
        var builder = Builder(network: network)
        input = builder.input()
        blocks = network.blocks.map { builder.block($0) }
        hidden = builder.groups(network.head.layers[0])
        hiddenBias = builder.bias(network.head.layers[0])
        logits = builder.groups(network.head.layers[1])
        logitBias = builder.bias(network.head.layers[1])
        slices = builder.slices
        count = builder.count
    }

    /// Lays one slice after the other.
    private struct Builder {
        let network: NetworkDescription
        var slices: [Slice] = []
        var count = 0

        private var groupCount: Int { network.features.count }

        mutating func input() -> Input {
            if let layer = network.firstLayer { return .convolution(groups(layer), bias: bias(layer)) }
            guard case .table(let name) = network.input else { preconditionFailure("a table") }
            let filters = network.features.channels
            return .table(add(name, inputs: network.colors, lanes: filters) { value, lane in value * filters + lane })
        }

        mutating func block(_ block: NetworkDescription.Block) -> Block {
            let (vertical, verticalBias) = (rows(block.vertical), optionalBias(block.vertical))
            let (horizontal, horizontalBias) = (groups(block.horizontal), optionalBias(block.horizontal))
            let link = link(block.link)
            let (projection, projectionBias) = (groups(block.output), optionalBias(block.output))
            let (verticalNorm, horizontalNorm) = (norm(block.verticalNorm), norm(block.horizontalNorm))
            let verticalLabel = block.verticalLabel.map { label($0, lanes: $0.outputs.count) { lane in lane } }
            // Where both stacks share a table, it is one parameter; without colour groups its rows are the same.
            let horizontalLabel =
                block.horizontalLabel == block.verticalLabel
                ? verticalLabel.map { [$0] } ?? [] : block.horizontalLabel.map { groups($0) } ?? []
            return Block(
                padding: block.vertical.columnReach, verticalRows: block.vertical.rowOffsets, vertical: vertical,
                verticalBias: verticalBias, horizontal: horizontal, horizontalBias: horizontalBias,
                firstSeeing: firstSeeing(block.horizontal), link: link, linkSeesLabel: block.linkSource == .sum,
                projection: projection, projectionBias: projectionBias, hasResidual: block.hasResidual,
                verticalNorm: verticalNorm, horizontalNorm: horizontalNorm, verticalLabel: verticalLabel,
                horizontalLabel: horizontalLabel)
        }

        private mutating func link(_ link: NetworkDescription.Link) -> Link {
            switch link {
            case .halves(let tanh, let sigmoid): return .halves(tanh: groups(tanh), sigmoid: groups(sigmoid))
            case .full(let layer):
                precondition(groupCount == 1, "a network without colour groups")
                let places = ConvolutionPlaces(layer)
                return .full(
                    add(layer.weightName, inputs: layer.inputs.count, lanes: layer.outputs.count) { k, lane in
                        places(output: lane, input: k, tap: 0)
                    }, bias: bias(layer))
            }
        }

        /// A layer of the horizontal stack or of the head, group by group: tap by tap, what a group sees at the pixel
        /// itself last; of gates tanh half and sigmoid half.
        mutating func groups(_ layer: Convolution) -> [Slice] {
            let (places, inputs) = (ConvolutionPlaces(layer), layer.inputs.count)
            let outputs = layer.outputs.groups(groupCount)
            return lanes(layer.outputs).enumerated().map { c, lanes in
                let depth = layer.context + layer.seen(c, of: layer.inputs.groups(groupCount))
                return add(layer.weightName, inputs: depth, lanes: lanes) { k, lane in
                    places(output: outputs.channel(c, lane: lane), input: k % inputs, tap: k / inputs)
                }
            }
        }

        /// A layer of the vertical stack, kernel row by kernel row.
        mutating func rows(_ layer: Convolution) -> [Slice] {
            let (places, inputs) = (ConvolutionPlaces(layer), layer.inputs.count)
            var first = 0  // tap of the row
            return layer.rowOffsets.map { row in
                let columns = layer.columnOffsets(row: row).count
                defer { first += columns }
                let tap = first
                return add(layer.weightName, inputs: columns * inputs, lanes: layer.outputs.count) { k, lane in
                    places(output: lane, input: k % inputs, tap: tap + k / inputs)
                }
            }
        }

        mutating func bias(_ layer: Convolution) -> Slice {
            let places = layer.outputs.places
            return add(layer.biasName, inputs: 1, lanes: places.count) { places[$1] }
        }

        private mutating func optionalBias(_ layer: Convolution) -> Slice? { layer.hasBias ? bias(layer) : nil }

        mutating func norm(_ norm: NetworkDescription.Norm) -> Norm? {
            guard case .layer(let name) = norm else {
                precondition(norm == .none, "a network that is trained here")
                return nil
            }
            let length = network.features.largest
            return Norm(
                weight: add(name + ".weight", inputs: 1, lanes: length) { $1 },
                bias: add(name + ".bias", inputs: 1, lanes: length) { $1 })
        }

        /// A row per class, group by group.
        mutating func groups(_ table: ClassTable) -> [Slice] {
            let outputs = table.outputs.groups(groupCount)
            return lanes(table.outputs).enumerated().map { c, lanes in
                label(table, lanes: lanes) { outputs.channel(c, lane: $0) }
            }
        }

        /// A row per class, for some of a table's outputs.
        mutating func label(
            _ table: ClassTable, lanes: Int, output: @escaping @Sendable (_ lane: Int) -> Int
        ) -> Slice {
            let (places, labels) = (table.outputs.places, network.labels)
            return add("\(table.name).weight", inputs: labels, lanes: lanes) { label, lane in
                places[output(lane)].map { table.place(output: $0, label: label, of: labels) }
            }
        }

        /// How many outputs each group has.
        private func lanes(_ order: ChannelOrder) -> [Int] {
            let channels = order.groups(groupCount)
            return (0..<groupCount).map { channels.size($0) * (order.count / channels.channels) }
        }

        private func firstSeeing(_ layer: Convolution) -> [Int] {
            let inputs = layer.inputs.groups(groupCount)
            return (0..<groupCount).map { j in
                (0..<groupCount).first { layer.seen($0, of: inputs) >= inputs.end(j) } ?? groupCount
            }
        }

        private mutating func add(
            _ tensor: String, inputs: Int, lanes: Int, index: @escaping @Sendable (_ input: Int, _ lane: Int) -> Int?
        ) -> Slice {
            let slice = Slice(tensor: tensor, offset: count, inputs: inputs, lanes: lanes) { input, lane in
                guard let place = index(input, lane) else { preconditionFailure("what is learnt is in the file") }
                return place
            }
            slices.append(slice)
            count += slice.inputs * slice.stride
            return slice
        }
    }
}

extension ParameterLayout {
    /// Copies a model's live parameters into the flat array.
    func read(_ model: Model, into flat: UnsafeMutablePointer<Float>) {
        visit { name, slices in
            model[name].withFloats { floats in
                for slice in slices {
                    for k in 0..<slice.inputs {
                        let row = flat + slice.offset + k * slice.stride
                        for lane in 0..<slice.lanes { row[lane] = floats[slice.index(k, lane)] }
                    }
                }
            }
        }
    }

    /// The tensors of `model` with the flat array's numbers where they are live.
    func tensors(_ flat: UnsafePointer<Float>, over model: Model) -> [Tensor] {
        var tensors: [Tensor] = []
        visit { name, slices in
            var floats = model[name].floats()
            for slice in slices {
                for k in 0..<slice.inputs {
                    let row = flat + slice.offset + k * slice.stride
                    for lane in 0..<slice.lanes { floats[slice.index(k, lane)] = row[lane] }
                }
            }
            tensors.append(Tensor(name: name, shape: model[name].shape, floats: floats))
        }
        return tensors
    }

    /// The slices of each tensor, one tensor after the other.
    private func visit(_ body: (String, [Slice]) -> Void) {
        let byTensor = Dictionary(grouping: slices, by: \.tensor)
        for (name, slices) in byTensor.sorted(by: { $0.key < $1.key }) { body(name, slices) }
    }
}
