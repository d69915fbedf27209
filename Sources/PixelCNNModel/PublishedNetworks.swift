// The published networks of the family, each as the value that describes it. A line of the table below says which names
// only its files have; the function beside it reads the sizes off the shapes and gives the layers, in the order of the
// published state_dict. docs/MODEL.md says the same in words.

import Support

/// A published gated two-stack PixelCNN.
package enum Network: String, Sendable, CaseIterable {
    /// The original's, with the classes that `pixelcnn-train` adds.
    case original = "pixelcnn"
    /// ritheshkumar95/pytorch-vqvae and MishaLaskin/vqvae: over the codes of a VQ-VAE.
    case vqvaePrior = "vqvae-prior"
    /// anordertoreclaim/PixelCNN.
    case skips = "anordertoreclaim"
    /// EugenHotaj/pytorch-generative.
    case generative = "pytorch-generative"
    /// phlippe/uvadlc_notebooks, tutorial 12.
    case tutorial = "uva-tutorial"
    /// kamenbliznashki/pixel_models.
    case batchNormed = "pixel_models"

    /// Its key in the `__metadata__` of the safetensors files written here.
    static let metadataKey = "pixelcnn.network"

    /// Its name for people.
    package var title: String {
        switch self {
        case .original: "the gated PixelCNN with in_conv, gated_layers and out_conv"
        case .vqvaePrior: "the VQ-VAE prior of ritheshkumar95/pytorch-vqvae"
        case .skips: "the gated PixelCNN of anordertoreclaim/PixelCNN"
        case .generative: "the GatedPixelCNN of EugenHotaj/pytorch-generative"
        case .tutorial: "the PixelCNN of phlippe/uvadlc_notebooks, tutorial 12"
        case .batchNormed: "the gated PixelCNN of kamenbliznashki/pixel_models"
        }
    }

    /// Names that only its files have.
    var evidence: [String] {
        switch self {
        case .original: ["in_conv.0.weight"]
        case .vqvaePrior: ["embedding.weight", "layers.0.class_cond_embedding.weight"]
        case .skips: ["causal_conv.v_conv.weight", "hidden_conv.0.h_skip.weight"]
        case .generative: ["_input._vstack_1xN.weight", "_head.1.weight"]
        case .tutorial: ["conv_vstack.conv.weight", "conv_layers.0.conv_vert.conv.weight"]
        case .batchNormed: ["input_conv.mask", "res_layers.0.v2h.mask", "conv_out1.weight"]
        }
    }

    /// What the names of its tensors begin with.
    var roots: Set<Substring> {
        switch self {
        case .original: ["in_conv", "gated_layers", "v_norm_layers", "h_norm_layers", "out_conv"]
        case .vqvaePrior: ["embedding", "layers", "output_conv"]
        case .skips: ["causal_conv", "hidden_conv", "label_embedding", "out_hidden_conv", "out_conv"]
        case .generative: ["_input", "_gated_layers", "_head", "_c", "_h", "_w"]
        case .tutorial: ["conv_vstack", "conv_hstack", "conv_layers", "conv_out"]
        case .batchNormed: ["input_conv", "res_layers", "proj_h", "conv_out1", "conv_out2", "output"]
        }
    }

    /// The network that tensors of these names are of; the original's where they are nobody's.
    static func of(_ names: some Sequence<String>) -> Network {
        let names = Set(names)
        return allCases.dropFirst().first { $0.evidence.allSatisfy(names.contains) } ?? .original
    }

    /// Whether a file may be of an image size that nobody has named: the original's is then 32 × 32.
    var hasDefaultSize: Bool { self == .original }
}

/// What the shapes of a file's tensors say: its network, and the sizes of images and network.
struct ReadNetwork {
    /// Nil for the original's, which follows from the sizes.
    let description: NetworkDescription?
    /// The numbers that shapes show; those of the image where the file has them.
    let sizes: [Hyperparameters.Field: Int]
}

extension Network {
    /// Reads the network off a file's tensors; `unread` are those whose numbers are not read.
    func read(_ tensors: [Tensor], unread: [UnreadTensor] = []) throws(ModelDataError) -> ReadNetwork {
        let shapes = ShapeTable(tensors, unread)
        return switch self {
        case .original: try Self.original(shapes)
        case .vqvaePrior: try Self.vqvaePrior(shapes)
        case .skips: try Self.skips(shapes)
        case .generative: try Self.generative(shapes)
        case .tutorial: try Self.tutorial(shapes)
        case .batchNormed: try Self.batchNormed(shapes)
        }
    }

    // MARK: - VQ-VAE prior

    private static func vqvaePrior(_ shapes: ShapeTable) throws(ModelDataError) -> ReadNetwork {
        let table = try shapes["embedding.weight", 2]
        let blocks = try shapes.count("layers", ".vert_stack.weight")
        let kernels = try (0..<blocks).map { i throws(ModelDataError) in
            try shapes.kernel("layers.\(i).vert_stack.weight")
        }
        let labels = try shapes["layers.0.class_cond_embedding.weight", 2][0]
        let hidden = try shapes["output_conv.0.weight", 4][0]
        return ReadNetwork(
            description: .vqvaePrior(
                colors: table[0], filters: table[1], kernels: kernels, hidden: hidden, labels: labels),
            sizes: [
                .channels: 1, .colors: table[0], .blocks: blocks, .filters: table[1],
                .kernelSize: kernels.last ?? 3, .hidden: hidden, .labels: labels,
            ])
    }

    // MARK: - anordertoreclaim

    private static func skips(_ shapes: ShapeTable) throws(ModelDataError) -> ReadNetwork {
        let first = try shapes["causal_conv.v_conv.weight", 4]
        let table = try shapes["label_embedding.weight", 2]
        let (channels, filters, labels) = (first[1], table[1], table[0])
        let hidden = try shapes["out_hidden_conv.weight", 4][0]
        let d = try shapes.colors("out_conv.weight", channels)
        let blocks = try shapes.count("hidden_conv", ".v_conv.weight")
        let kernel = try shapes.kernel("hidden_conv.0.v_conv.weight")
        try shapes.check(hidden, hasGroups: channels, "out_hidden_conv.weight")
        guard filters % channels == 0 else {
            throw .shapeMismatch(
                tensor: "label_embedding.weight",
                expected: "filters in equal groups of \(channels) channels: with others this network sees the values "
                    + "that it predicts", found: table)
        }
        func order(_ count: Int) -> ChannelOrder {
            .features(ColorGroups(count, groups: channels), isInterleaved: true)
        }
        let features = order(filters)
        let gates = ChannelOrder.gate(ColorGroups(filters, groups: channels), isInterleaved: true)
        var list = TensorList(classes: labels, channels: channels, order: .interleaved)
        let layers = try (-1..<blocks).map { i throws(ModelDataError) in
            let name = i < 0 ? "causal_conv" : "hidden_conv.\(i)"
            let (type, inputs) = i < 0 ? (MaskType.a, order(channels)) : (.b, features)
            let k = i < 0 ? try shapes.kernel("causal_conv.v_conv.weight") : kernel
            let vertical = list.convolution(
                "\(name).v_conv", inputs, gates, kernel: (k / 2 + 1, k), centre: (k / 2, k / 2))
            let point = list.convolution("\(name).v_fc", inputs, gates)
            let link = list.convolution("\(name).v_to_h", gates, gates, mask: i < 0 ? nil : .b)
            let horizontal = list.convolution("\(name).h_conv", inputs, gates, kernel: (1, k), mask: type)
            let output = list.convolution("\(name).h_fc", features, features, mask: type)
            let skip = i < 0 ? nil : list.convolution("\(name).h_skip", features, features, mask: .b)
            let label = i < 0 ? nil : list.embedding("\(name).label_embedding", gates)
            return NetworkDescription.Block(
                vertical: vertical, point: point, link: .full(link), linkSource: .sumOfRowAbove,
                horizontal: horizontal, output: output, skip: skip, verticalLabel: label, horizontalLabel: label,
                hasResidual: i >= 0, hasVerticalResidual: i >= 0)
        }
        let label = list.embedding("label_embedding", features)
        let head = [
            list.convolution("out_hidden_conv", features, order(hidden), mask: .b),
            list.convolution(
                "out_conv", order(hidden), .logits(channels: channels, colors: d, .byValue), mask: .b),
        ]
        return ReadNetwork(
            description: NetworkDescription(
                network: .skips, channels: channels, colors: d, labels: labels,
                features: ColorGroups(filters, groups: channels), input: .unit, stem: .none, blocks: layers,
                head: .init(takesSkips: true, label: label, before: .relu, layers: head), tensors: list.tensors),
            sizes: [
                .channels: channels, .colors: d, .blocks: blocks, .filters: filters, .kernelSize: kernel,
                .hidden: hidden, .labels: labels,
            ])
    }

    // MARK: - pytorch-generative

    private static func generative(_ shapes: ShapeTable) throws(ModelDataError) -> ReadNetwork {
        let first = try shapes["_input._vstack_1xN.weight", 4]
        let (channels, filters) = (first[1], first[0])
        let hidden = try shapes["_head.1.weight", 4][0]
        let last = try shapes["_head.3.weight", 4]
        guard last[0] == channels else {
            throw .shapeMismatch(
                tensor: "_head.3.weight",
                expected: "an output for each of the \(channels) image channels, its Bernoulli logit; the file does "
                    + "not say what distribution others are of", found: last)
        }
        let blocks = try shapes.count("_gated_layers", "._link.weight")
        let kernel = try shapes.kernel("_gated_layers.0._vstack_1xN.weight")
        let features = ChannelOrder.features(ColorGroups(filters, groups: 1))
        let gates = ChannelOrder.gate(ColorGroups(filters, groups: 1))
        var list = TensorList()
        let size = try shapes.scalars(["_c", "_h", "_w"], into: &list)
        if let found = size?[0], found != channels {
            throw .contradiction(field: "channels", declared: found, shapes: channels, tensor: firstWeight)
        }
        let layers = try (-1..<blocks).map { i throws(ModelDataError) in
            let name = i < 0 ? "_input" : "_gated_layers.\(i)"
            let inputs = i < 0 ? ChannelOrder.features(ColorGroups(channels, groups: 1)) : features
            let k = i < 0 ? try shapes.kernel(firstWeight) : kernel
            let p = k / 2
            let vertical = list.convolution("\(name)._vstack_1xN", inputs, features, kernel: (1, k))
            let second = list.convolution(
                "\(name)._vstack_Nx1", features, gates, kernel: (p + 1, 1), centre: (p + 1, 0))
            let point = list.convolution("\(name)._vstack_1x1", inputs, gates)
            let link = list.convolution("\(name)._link", gates, gates)
            let horizontal = list.convolution(
                "\(name)._hstack_1xN", inputs, gates, kernel: (1, p + 1), centre: (0, i < 0 ? p + 1 : p))
            let output = list.convolution("\(name)._hstack_residual", features, features)
            let skip = list.convolution("\(name)._hstack_skip", features, features)
            return NetworkDescription.Block(
                vertical: vertical, second: second, point: point, link: .full(link), linkSource: .convolution,
                horizontal: horizontal, output: output, skip: skip, hasResidual: i >= 0)
        }
        let hiddenFeatures = ChannelOrder.features(ColorGroups(hidden, groups: 1))
        let head = [
            list.convolution("_head.1", features, hiddenFeatures),
            list.convolution("_head.3", hiddenFeatures, .logits(channels: channels, colors: 2, .ofOnes)),
        ]
        var sizes: [Hyperparameters.Field: Int] = [
            .channels: channels, .colors: 2, .blocks: blocks, .filters: filters, .kernelSize: kernel,
            .hidden: hidden, .labels: 0,
        ]
        if let size { (sizes[.height], sizes[.width]) = (size[1], size[2]) }
        return ReadNetwork(
            description: NetworkDescription(
                network: .generative, channels: channels, colors: 2, labels: 0,
                features: ColorGroups(filters, groups: 1), input: .unit, stem: .none, blocks: layers,
                head: .init(takesSkips: true, before: .relu, layers: head), tensors: list.tensors),
            sizes: sizes)
    }

    private static let firstWeight = "_input._vstack_1xN.weight"

    // MARK: - UvA tutorial

    /// The published class has these, and no file.
    private static let dilations = [1, 2, 1, 4, 1, 2, 1]

    private static func tutorial(_ shapes: ShapeTable) throws(ModelDataError) -> ReadNetwork {
        let first = try shapes["conv_vstack.conv.weight", 4]
        let (channels, filters) = (first[1], first[0])
        let d = try shapes.colors("conv_out.weight", channels)
        let blocks = try shapes.count("conv_layers", ".conv_vert.conv.weight")
        guard blocks == dilations.count else { throw .unknownDilations(blocks: blocks, published: dilations) }
        let image = ChannelOrder.features(ColorGroups(channels, groups: 1))
        let features = ChannelOrder.features(ColorGroups(filters, groups: 1))
        let gates = ChannelOrder.gate(ColorGroups(filters, groups: 1))
        var list = TensorList()
        /// 3 × 3 or 1 × 3, its mask beside it.
        func masked(
            _ name: String, _ inputs: ChannelOrder, _ outputs: ChannelOrder, rows: Int, _ type: MaskType,
            dilation: Int = 1
        ) -> Convolution {
            let mask = ConvolutionMask(type: type, outputs: 1, inputs: 1, rows: rows, columns: 3, channels: 1)
            list.add("\(name).mask", mask.shape, .mask(mask))
            return list.convolution(
                "\(name).conv", inputs, outputs, kernel: (rows, 3), dilation: dilation, visible: mask)
        }
        let vertical = masked("conv_vstack", image, features, rows: 3, .above)
        let horizontal = masked("conv_hstack", image, features, rows: 1, .a)
        let layers = dilations.enumerated().map { i, dilation in
            let name = "conv_layers.\(i)"
            let vertical = masked("\(name).conv_vert", features, gates, rows: 3, .rows, dilation: dilation)
            let horizontal = masked("\(name).conv_horiz", features, gates, rows: 1, .b, dilation: dilation)
            let link = list.convolution("\(name).conv_vert_to_horiz", gates, gates)
            let output = list.convolution("\(name).conv_horiz_1x1", features, features)
            return NetworkDescription.Block(
                vertical: vertical, link: .full(link), linkSource: .convolution, horizontal: horizontal,
                output: output)
        }
        let head = [
            list.convolution("conv_out", features, .logits(channels: channels, colors: d, .byValue))
        ]
        return ReadNetwork(
            description: NetworkDescription(
                network: .tutorial, channels: channels, colors: d, labels: 0,
                features: ColorGroups(filters, groups: 1), input: .signed,
                stem: .separate(vertical: vertical, horizontal: horizontal), blocks: layers,
                head: .init(before: .elu, layers: head), tensors: list.tensors),
            sizes: [
                .channels: channels, .colors: d, .blocks: blocks, .filters: filters, .kernelSize: 3,
                .hidden: filters, .labels: 0,
            ])
    }

    // MARK: - pixel_models

    private static func batchNormed(_ shapes: ShapeTable) throws(ModelDataError) -> ReadNetwork {
        let first = try shapes["input_conv.weight", 4]
        let (channels, filters) = (first[1], first[0] / 2)
        let hidden = try shapes["output.weight", 4][1]
        let d = try shapes.colors("output.weight", channels)
        let blocks = try shapes.count("res_layers", ".v.weight")
        let kernel = try shapes.kernel("res_layers.0.v.weight")
        let labels = shapes.has("proj_h.weight") ? try shapes["proj_h.weight", 2][1] : 0
        try shapes.check(filters, hasGroups: channels, "input_conv.weight")
        try shapes.check(hidden, hasGroups: channels, "output.weight")
        let hasNorms = shapes.has("res_layers.0.norm_layer_v.weight")
        func order(_ count: Int) -> ChannelOrder {
            .features(ColorGroups(count, groups: channels), isInterleaved: true)
        }
        func gate(_ count: Int) -> ChannelOrder {
            .gate(ColorGroups(count, groups: channels), isInterleaved: true)
        }
        let (features, gates) = (order(filters), gate(filters))
        var list = TensorList(classes: labels, channels: channels, order: .interleaved)
        let k = try shapes.kernel("input_conv.weight")
        let input = list.convolution("input_conv", order(channels), gates, kernel: (k, k), mask: .a)
        let layers = (0..<blocks).map { i in
            let name = "res_layers.\(i)"
            let vertical = list.convolution("\(name).v", features, gates, kernel: (kernel, kernel), mask: .above)
            let horizontal = list.convolution("\(name).h", features, gates, kernel: (1, kernel), mask: .b)
            let link = list.convolution("\(name).v2h", gates, gates, mask: .b)
            let output = list.convolution("\(name).h2h", features, features, mask: .b)
            if labels > 0 { _ = list.linear("\(name).proj_h", gates) }  // in the file, and feeds nothing
            var block = NetworkDescription.Block(
                vertical: vertical, link: .full(link), linkSource: .convolution, horizontal: horizontal,
                output: output)
            if hasNorms {
                block.verticalNorm = list.batchNorm("\(name).norm_layer_v", filters)
                block.horizontalNorm = list.batchNorm("\(name).norm_layer_h", filters)
            }
            return block
        }
        let head = [
            list.convolution("conv_out1", features, gate(hidden), mask: .b),
            list.convolution("conv_out2", order(hidden), gate(hidden), mask: .b),
            list.convolution("output", order(hidden), .logits(channels: channels, colors: d, .byValue), mask: .b),
        ]
        let label = labels > 0 ? list.linear("proj_h", gates) : nil
        return ReadNetwork(
            description: NetworkDescription(
                network: .batchNormed, channels: channels, colors: d, labels: labels,
                features: ColorGroups(filters, groups: channels), input: .signed,
                stem: .shared(input, .gate, label: label), blocks: layers,
                head: .init(layers: head, between: .gate), tensors: list.tensors),
            sizes: [
                .channels: channels, .colors: d, .blocks: blocks, .filters: filters, .kernelSize: kernel,
                .hidden: hidden, .labels: labels,
            ])
    }
}

// MARK: - The original

extension Network {
    private static func original(_ shapes: ShapeTable) throws(ModelDataError) -> ReadNetwork {
        let input = try shapes["in_conv.0.weight", 4]
        let vertical = try shapes["gated_layers.0.v_conv.weight", 4]
        let hidden = try shapes["out_conv.0.weight", 4]
        let d = try shapes.colors("out_conv.2.weight", input[1])
        let sizes: [Hyperparameters.Field: Int] = [
            .channels: input[1], .colors: d, .blocks: try shapes.count("gated_layers", ".v_conv.weight"),
            .filters: input[0], .kernelSize: vertical[3], .hidden: hidden[0], .labels: try shapes.originalLabels(),
        ]
        return ReadNetwork(description: nil, sizes: sizes)
    }
}

extension Hyperparameters {
    /// Kernel rows and columns of `in_conv.0`, whatever the kernel size of the blocks.
    package static let inputKernelSize = 7

    /// The original's network of these sizes.
    package var description: NetworkDescription {
        let features = ChannelOrder.features(ColorGroups(filters, groups: channels))
        let gates = ChannelOrder.gate(ColorGroups(filters, groups: channels))
        let alternating = ChannelOrder.gate(ColorGroups(filters, groups: channels), isAlternating: true)
        let hiddenFeatures = ChannelOrder.features(ColorGroups(hidden, groups: channels))
        let (k, p) = (kernelSize, padding)
        var list = TensorList(classes: labels, channels: channels, hasBiases: false)
        let size = Self.inputKernelSize
        let input = list.convolution(
            "in_conv.0", .features(ColorGroups(channels, groups: channels)), features, kernel: (size, size), mask: .a,
            bias: true)
        var layers = (0..<blocks).map { i in
            let name = "gated_layers.\(i)"
            // Needs no mask: the kernel ends above the row in the first block, with it in the others.
            let vertical = list.convolution(
                "\(name).v_conv", features, gates, kernel: (i == 0 ? p : p + 1, k), centre: (p, p))
            let horizontal = list.convolution(
                "\(name).h_conv", features, alternating, kernel: (1, k), mask: i == 0 ? .a : .b)
            let tanh = list.convolution("\(name).v1toh", features, features, mask: .b)
            let sigmoid = list.convolution("\(name).v2toh", features, features, mask: .b)
            let output = list.convolution("\(name).htoh", features, features, mask: .b)
            var block = NetworkDescription.Block(
                vertical: vertical, link: .halves(tanh: tanh, sigmoid: sigmoid), linkSource: .sum,
                horizontal: horizontal, output: output)
            if isConditional {
                block.verticalLabel = list.linear("\(name).v_label", gates, bias: false)
                block.horizontalLabel = list.linear("\(name).h_label", alternating, bias: false)
            }
            return block
        }
        for i in 0..<blocks { layers[i].verticalNorm = list.layerNorm("v_norm_layers.\(i)", groupSize) }
        for i in 0..<blocks { layers[i].horizontalNorm = list.layerNorm("h_norm_layers.\(i)", groupSize) }
        let head = [
            list.convolution("out_conv.0", features, hiddenFeatures, mask: .b, bias: true),
            list.convolution(
                "out_conv.2", hiddenFeatures, .logits(channels: channels, colors: colors, .byChannel), mask: .b,
                bias: true),
        ]
        return NetworkDescription(
            network: .original, channels: channels, colors: colors, labels: labels,
            features: ColorGroups(filters, groups: channels), input: .signed,
            stem: .shared(input, .relu, label: nil), blocks: layers, head: .init(layers: head), tensors: list.tensors)
    }

    /// The trained parameters, in PyTorch's order; masked weights count in full.
    package var parameters: [TensorSpec] { description.parameters }

    /// Number of trained parameters, those under a mask included, as PyTorch counts them.
    package var parameterCount: Int { description.parameterCount }
}

// MARK: - VQ-VAE prior, from its sizes

extension NetworkDescription {
    /// The prior over a VQ-VAE's codes, whose blocks have kernels of these sizes.
    package static func vqvaePrior(
        colors: Int, filters: Int, kernels: [Int], hidden: Int, labels: Int
    ) -> NetworkDescription {
        let features = ChannelOrder.features(ColorGroups(filters, groups: 1))
        let gates = ChannelOrder.gate(ColorGroups(filters, groups: 1))
        var list = TensorList(classes: labels)
        list.add("embedding.weight", [colors, filters], .weight(mask: nil))
        let layers = kernels.enumerated().map { i, kernel in
            let (name, p) = ("layers.\(i)", kernel / 2)
            let label = list.embedding("\(name).class_cond_embedding", gates)
            // The first block's last row and last column are set to zero whenever it computes.
            let seen = i == 0 ? p : p + 1
            let vertical = list.convolution(
                "\(name).vert_stack", features, gates, kernel: (p + 1, kernel), centre: (p, p), rows: 0..<seen)
            let link = list.convolution("\(name).vert_to_horiz", gates, gates)
            let horizontal = list.convolution(
                "\(name).horiz_stack", features, gates, kernel: (1, p + 1), centre: (0, p), columns: 0..<seen)
            let output = list.convolution("\(name).horiz_resid", features, features)
            return Block(
                vertical: vertical, link: .full(link), linkSource: .convolution, horizontal: horizontal,
                output: output, verticalLabel: label, horizontalLabel: label, hasResidual: i > 0)
        }
        let hiddenFeatures = ChannelOrder.features(ColorGroups(hidden, groups: 1))
        let head = [
            list.convolution("output_conv.0", features, hiddenFeatures),
            list.convolution("output_conv.2", hiddenFeatures, .logits(channels: 1, colors: colors, .byChannel)),
        ]
        return NetworkDescription(
            network: .vqvaePrior, channels: 1, colors: colors, labels: labels,
            features: ColorGroups(filters, groups: 1), input: .table("embedding.weight"), stem: .none,
            blocks: layers, head: .init(layers: head), tensors: list.tensors)
    }

    /// Names of the tensors that are tables of rows, one for each value or class, as `nn.Embedding` has them.
    package var tables: Set<String> {
        var names = Set<String>()
        if case .table(let name) = input { names.insert(name) }
        for case let table? in [head.label] + blocks.flatMap({ [$0.verticalLabel, $0.horizontalLabel] })
        where !table.isLinear {
            names.insert("\(table.name).weight")
        }
        return names
    }
}
