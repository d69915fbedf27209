// Where each trained number lies while training: matrices as the kernels sum their gradients, (inputs, outputs), one
// after the other in one flat array, as WeightLayout has them. Entries under a mask have no place there: they get no
// gradient, no optimiser state and no step, and go back to the file as they came.

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

    struct Block: Sendable {
        let vertical: [Slice]  // [kernel row] × (k · F, 2F)
        let horizontal: [Slice]  // [C] × (left taps, then seen groups of the pixel; tanh half, then sigmoid half)
        let toTanh, toSigmoid: [Slice]  // `v1toh`, `v2toh`: [C] × ((c + 1)g, g)
        let projection: [Slice]  // `htoh`: [C] × ((c + 1)g, g)
        let verticalNorm, horizontalNorm: Norm
        let verticalLabel: Slice?  // (labels, 2F): a row per class
        let horizontalLabel: [Slice]  // [C] × (labels, 2g): tanh half, then sigmoid half; [] without labels
    }

    let input: [Slice]  // [C] × (context + c, g)
    let inputBias: Slice  // (F)
    let blocks: [Block]
    let hidden: [Slice]  // [C] × ((c + 1)g, hidden / C)
    let hiddenBias: Slice
    let logits: [Slice]  // [C] × ((c + 1) hidden / C, d)
    let logitBias: Slice
    /// All of them, by offset.
    let slices: [Slice]
    /// Floats in all, whole vectors.
    let count: Int

    init(_ sizes: NetworkSizes) {
        var builder = Builder()
        let layout = WeightLayout(sizes)
        let (filters, group, isConditional) = (sizes.filters, sizes.group, sizes.labels > 0)
        let channels = 0..<sizes.channels

        input = channels.map { builder.add(layout.input($0)) }
        inputBias = builder.vector("in_conv.0.bias", filters)
        blocks = (0..<sizes.blocks).map { i in
            Block(
                vertical: (0..<sizes.kernelRows(i)).map { builder.add(layout.vertical(i, kernelRow: $0)) },
                horizontal: channels.map { builder.add(layout.horizontal(i, $0)) },
                toTanh: channels.map { builder.add(layout.toTanh(i, $0)) },
                toSigmoid: channels.map { builder.add(layout.toSigmoid(i, $0)) },
                projection: channels.map { builder.add(layout.projection(i, $0)) },
                verticalNorm: builder.norm("v_norm_layers.\(i)", group),
                horizontalNorm: builder.norm("h_norm_layers.\(i)", group),
                verticalLabel: isConditional ? builder.add(layout.verticalLabel(i)) : nil,
                horizontalLabel: isConditional ? channels.map { builder.add(layout.horizontalLabel(i, $0)) } : [])
        }
        hidden = channels.map { builder.add(layout.hidden($0)) }
        hiddenBias = builder.vector("out_conv.0.bias", sizes.hidden)
        logits = channels.map { builder.add(layout.logits($0)) }
        logitBias = builder.vector("out_conv.2.bias", sizes.channels * sizes.colors)
        slices = builder.slices
        count = builder.count
    }

    /// Lays one slice after the other.
    private struct Builder {
        var slices: [Slice] = []
        var count = 0

        mutating func add(_ matrix: WeightLayout.Matrix) -> Slice {
            let slice = Slice(
                tensor: matrix.tensor, offset: count, inputs: matrix.depth, lanes: matrix.lanes, index: matrix.index)
            slices.append(slice)
            count += slice.inputs * slice.stride
            return slice
        }

        mutating func vector(_ tensor: String, _ lanes: Int) -> Slice {
            add(WeightLayout.Matrix(tensor: tensor, depth: 1, lanes: lanes) { $1 })
        }

        mutating func norm(_ name: String, _ lanes: Int) -> Norm {
            Norm(weight: vector(name + ".weight", lanes), bias: vector(name + ".bias", lanes))
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
