// Which number of which tensor of the file stands where in the matrices that training multiplies, in both directions.
// Nothing under a mask has a place in a matrix, so it is left out rather than multiplied by zero.

import PixelCNNModel

/// The network's weights as matrices, colour group by colour group.
struct WeightLayout: Sendable {
    let sizes: NetworkSizes

    init(_ sizes: NetworkSizes) { self.sizes = sizes }

    /// A matrix that takes `depth` inputs to `lanes` outputs.
    struct Matrix: Sendable {
        let tensor: String
        let depth: Int
        let lanes: Int
        /// Where weight (k, lane) lies in the tensor, which is row-major.
        let index: @Sendable (_ k: Int, _ lane: Int) -> Int

        init(
            tensor: String, depth: Int, lanes: Int, index: @escaping @Sendable (_ k: Int, _ lane: Int) -> Int
        ) {
            self.tensor = tensor
            self.depth = depth
            self.lanes = lanes
            self.index = index
        }
    }

    /// `in_conv`, outputs of group `c`, over a patch: the context, then the pixel's channels before c. Channels are
    /// innermost, so that a patch is copied from a channels-last image in a few runs. (context + c, g).
    func input(_ c: Int) -> Matrix {
        let (group, channels) = (sizes.group, sizes.channels)
        let taps = Hyperparameters.inputKernelSize * Hyperparameters.inputKernelSize
        return Matrix(tensor: "in_conv.0.weight", depth: sizes.patchContext + c, lanes: group) { k, lane in
            ((c * group + lane) * channels + k % channels) * taps + k / channels
        }
    }

    /// A kernel row of `v_conv`, over k columns of F: (k · F, 2F).
    func vertical(_ block: Int, kernelRow row: Int) -> Matrix {
        let (filters, kernel, rows) = (sizes.filters, sizes.kernelSize, sizes.kernelRows(block))
        return Matrix(tensor: Self.block(block) + "v_conv.weight", depth: kernel * filters, lanes: 2 * filters) {
            k, lane in ((lane * filters + k % filters) * rows + row) * kernel + k / filters
        }
    }

    /// `h_conv`, pre-activations of group `c`, tanh half and sigmoid half, over the p columns left of the pixel,
    /// farthest first, and the groups of the pixel that c sees: (p · F + seen · g, 2g).
    func horizontal(_ block: Int, _ c: Int) -> Matrix {
        let (filters, kernel, group) = (sizes.filters, sizes.kernelSize, sizes.group)
        return Matrix(
            tensor: Self.block(block) + "h_conv.weight", depth: sizes.horizontalInputs(block, c), lanes: 2 * group
        ) { k, lane in
            (Self.gateRow(c, lane, group: group) * filters + k % filters) * kernel + k / filters
        }
    }

    /// The row in the file of a lane of group `c`'s pre-activations. Even rows of `h_conv` and `h_label` are the tanh
    /// half of the gate, odd ones the sigmoid half; here the halves lie side by side.
    private static func gateRow(_ c: Int, _ lane: Int, group: Int) -> Int {
        lane < group ? 2 * (c * group + lane) : 2 * (c * group + lane - group) + 1
    }

    /// `v1toh`, outputs of group `c`: ((c + 1)g, g).
    func toTanh(_ block: Int, _ c: Int) -> Matrix { pointwise(Self.block(block) + "v1toh.weight", c) }

    /// `v2toh`, outputs of group `c`: ((c + 1)g, g).
    func toSigmoid(_ block: Int, _ c: Int) -> Matrix { pointwise(Self.block(block) + "v2toh.weight", c) }

    /// `htoh`, outputs of group `c`: ((c + 1)g, g).
    func projection(_ block: Int, _ c: Int) -> Matrix { pointwise(Self.block(block) + "htoh.weight", c) }

    /// `out_conv.0`, outputs of group `c`: ((c + 1)g, hidden / C).
    func hidden(_ c: Int) -> Matrix { pointwise("out_conv.0.weight", c, lanes: sizes.hiddenGroup) }

    /// `out_conv.2`, the logits of channel `c`: ((c + 1) hidden / C, d).
    func logits(_ c: Int) -> Matrix {
        pointwise("out_conv.2.weight", c, inputs: sizes.hiddenGroup, lanes: sizes.colors)
    }

    /// `v_label`: a row per class where the file has a column, (labels, 2F).
    func verticalLabel(_ block: Int) -> Matrix {
        let labels = sizes.labels
        return Matrix(tensor: Self.block(block) + "v_label.weight", depth: labels, lanes: 2 * sizes.filters) {
            label, lane in lane * labels + label
        }
    }

    /// `h_label`, group `c`, likewise: (labels, 2g), tanh half and sigmoid half.
    func horizontalLabel(_ block: Int, _ c: Int) -> Matrix {
        let (labels, group) = (sizes.labels, sizes.group)
        return Matrix(tensor: Self.block(block) + "h_label.weight", depth: labels, lanes: 2 * group) { label, lane in
            Self.gateRow(c, lane, group: group) * labels + label
        }
    }

    /// A masked 1 × 1 convolution of type B: output group c sees the input groups ≤ c. `inputs` and `lanes` are those
    /// of a group, g where nothing is said.
    private func pointwise(_ tensor: String, _ c: Int, inputs: Int? = nil, lanes: Int? = nil) -> Matrix {
        let (inputs, lanes, channels) = (inputs ?? sizes.group, lanes ?? sizes.group, sizes.channels)
        return Matrix(tensor: tensor, depth: (c + 1) * inputs, lanes: lanes) { k, lane in
            (c * lanes + lane) * channels * inputs + k
        }
    }

    private static func block(_ index: Int) -> String { "gated_layers.\(index)." }
}
