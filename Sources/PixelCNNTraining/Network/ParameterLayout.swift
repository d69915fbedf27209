// Where each trained number lies while training: matrices as the kernels sum their gradients, (inputs, outputs), one
// after the other in one flat array. Entries under a mask have no place there: they get no gradient, no optimiser state
// and no step, and go back to the file as they came.

import PixelCNNModel

/// A piece of a parameter: (inputs, lanes) numbers at `offset` in the flat array, rows `stride` apart. Vectors have one
/// row.
struct Slice {
    let tensor: String
    let offset: Int
    let inputs: Int
    let lanes: Int
    /// Where (input, lane) lies in the row-major tensor of the file.
    let index: @Sendable (_ input: Int, _ lane: Int) -> Int

    var stride: Int { lanes.inWholeVectors }

    /// Where the numbers of one input begin.
    func row(_ input: Int) -> Int { offset + input * stride }
}

/// Every live parameter of a network. Colour groups are apart, since each sees other inputs.
struct ParameterLayout: Sendable {
    struct Norm {
        let weight, bias: Slice  // (g)
    }

    struct Block {
        let vertical: [Slice]  // [kernel row] × (k · F, 2F)
        let horizontal: [Slice]  // [C] × (left taps, then seen groups of the pixel; tanh half, then sigmoid half)
        let toTanh, toSigmoid: [Slice]  // `v1toh`, `v2toh`: [C] × ((c + 1)g, g)
        let projection: [Slice]  // `htoh`: [C] × ((c + 1)g, g)
        let verticalNorm, horizontalNorm: Norm
        let verticalLabel: Slice?  // (labels, 2F): a row a class
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

    init(_ sizes: Sizes) {
        var builder = Builder()
        let (channels, filters, g) = (sizes.channels, sizes.filters, sizes.group)
        let kernel = sizes.kernel
        let taps = Hyperparameters.inputKernelSize * Hyperparameters.inputKernelSize

        // Channels innermost, as patches are copied from a channels-last image.
        input = (0..<channels).map { c in
            builder.add("in_conv.0.weight", inputs: sizes.patchContext + c, lanes: g) { k, lane in
                ((c * g + lane) * channels + k % channels) * taps + k / channels
            }
        }
        inputBias = builder.vector("in_conv.0.bias", filters)
        blocks = (0..<sizes.blocks).map { i in
            let (name, rows) = ("gated_layers.\(i).", sizes.kernelRows(i))
            return Block(
                vertical: (0..<rows).map { row in
                    builder.add(name + "v_conv.weight", inputs: kernel * filters, lanes: 2 * filters) { k, lane in
                        ((lane * filters + k % filters) * rows + row) * kernel + k / filters
                    }
                },
                horizontal: (0..<channels).map { c in
                    builder.add(name + "h_conv.weight", inputs: sizes.horizontalInputs(i, c), lanes: 2 * g) { k, lane in
                        (sizes.gateRow(c, lane) * filters + k % filters) * kernel + k / filters
                    }
                },
                toTanh: builder.pointwise(name + "v1toh.weight", channels, inputs: g, lanes: g),
                toSigmoid: builder.pointwise(name + "v2toh.weight", channels, inputs: g, lanes: g),
                projection: builder.pointwise(name + "htoh.weight", channels, inputs: g, lanes: g),
                verticalNorm: builder.norm("v_norm_layers.\(i)", g),
                horizontalNorm: builder.norm("h_norm_layers.\(i)", g),
                verticalLabel: sizes.labels == 0
                    ? nil
                    : builder.add(name + "v_label.weight", inputs: sizes.labels, lanes: 2 * filters) { label, lane in
                        lane * sizes.labels + label
                    },
                horizontalLabel: (0..<(sizes.labels == 0 ? 0 : channels)).map { c in
                    builder.add(name + "h_label.weight", inputs: sizes.labels, lanes: 2 * g) { label, lane in
                        sizes.gateRow(c, lane) * sizes.labels + label
                    }
                })
        }
        hidden = builder.pointwise("out_conv.0.weight", channels, inputs: g, lanes: sizes.hiddenGroup)
        hiddenBias = builder.vector("out_conv.0.bias", sizes.hidden)
        logits = builder.pointwise("out_conv.2.weight", channels, inputs: sizes.hiddenGroup, lanes: sizes.colors)
        logitBias = builder.vector("out_conv.2.bias", channels * sizes.colors)
        (slices, count) = (builder.slices, builder.count)
    }

    private struct Builder {
        var slices: [Slice] = []
        var count = 0

        mutating func add(
            _ tensor: String, inputs: Int, lanes: Int, _ index: @escaping @Sendable (Int, Int) -> Int
        ) -> Slice {
            let slice = Slice(tensor: tensor, offset: count, inputs: inputs, lanes: lanes, index: index)
            slices.append(slice)
            count += inputs * slice.stride
            return slice
        }

        mutating func vector(_ tensor: String, _ lanes: Int) -> Slice {
            add(tensor, inputs: 1, lanes: lanes) { $1 }
        }

        mutating func norm(_ name: String, _ lanes: Int) -> Norm {
            Norm(weight: vector(name + ".weight", lanes), bias: vector(name + ".bias", lanes))
        }

        /// A masked 1 × 1 convolution of type B: output group c sees input groups ≤ c.
        mutating func pointwise(_ tensor: String, _ channels: Int, inputs: Int, lanes: Int) -> [Slice] {
            (0..<channels).map { c in
                add(tensor, inputs: (c + 1) * inputs, lanes: lanes) { k, lane in
                    (c * lanes + lane) * channels * inputs + k
                }
            }
        }
    }
}

extension Sizes {
    /// The horizontal convolution's row, in the file, of a lane of colour group `c`: even rows are the tanh half, odd
    /// ones the sigmoid half.
    fileprivate func gateRow(_ c: Int, _ lane: Int) -> Int {
        lane < group ? 2 * (c * group + lane) : 2 * (c * group + lane - group) + 1
    }
}

extension Slice: Sendable {}
extension ParameterLayout.Norm: Sendable {}
extension ParameterLayout.Block: Sendable {}

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
