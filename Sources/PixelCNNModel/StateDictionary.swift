// The tensors of the original's network, in the order PyTorch's state_dict lists them: the one place where its names
// meet shapes. The loader checks against this list, the writers write it, and the parameter count is its sum.

extension Hyperparameters {
    /// Kernel rows and columns of `in_conv.0`, whatever the kernel size of the blocks.
    package static let inputKernelSize = 7

    /// Every tensor of the state_dict, parameters and masks, in PyTorch's order.
    package var stateDictionary: [TensorSpec] {
        var list: [TensorSpec] = []
        list += convolution(
            "in_conv.0", .a, inputs: channels, outputs: filters, kernel: (Self.inputKernelSize, Self.inputKernelSize),
            bias: true)
        for block in 0..<blocks { list += gatedBlock(block) }
        for stack in ["v_norm_layers", "h_norm_layers"] {
            for block in 0..<blocks { list += norm("\(stack).\(block)") }
        }
        list += convolution("out_conv.0", .b, inputs: filters, outputs: hidden, kernel: (1, 1), bias: true)
        list += convolution("out_conv.2", .b, inputs: hidden, outputs: colors * channels, kernel: (1, 1), bias: true)
        return list
    }

    /// The trained parameters, in PyTorch's order; masked weights count in full.
    package var parameters: [TensorSpec] { stateDictionary.filter { !$0.isMask } }

    /// The stored masks, in PyTorch's order.
    package var masks: [TensorSpec] { stateDictionary.filter(\.isMask) }

    /// Number of trained parameters, those under a mask included, as PyTorch counts them.
    package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    private func gatedBlock(_ block: Int) -> [TensorSpec] {
        let name = "gated_layers.\(block)"
        let type: MaskType = block == 0 ? .a : .b
        // Vertical: needs no mask, its kernel simply ends above the row (type A) or with it (type B).
        let rows = padding + (type == .a ? 0 : 1)
        let vertical = TensorSpec(
            name: "\(name).v_conv.weight", shape: [2 * filters, filters, rows, kernelSize], role: .weight(mask: nil))
        return [vertical]
            + convolution("\(name).h_conv", type, inputs: filters, outputs: 2 * filters, kernel: (1, kernelSize))
            + convolution("\(name).v1toh", .b, inputs: filters, outputs: filters, kernel: (1, 1))
            + convolution("\(name).v2toh", .b, inputs: filters, outputs: filters, kernel: (1, 1))
            + convolution("\(name).htoh", .b, inputs: filters, outputs: filters, kernel: (1, 1))
            + labelColumns(name)
    }

    /// What a class adds to both stacks of a block: a column each.
    private func labelColumns(_ name: String) -> [TensorSpec] {
        guard isConditional else { return [] }
        return ["v_label", "h_label"].map { layer in
            TensorSpec(name: "\(name).\(layer).weight", shape: [2 * filters, labels], role: .weight(mask: nil))
        }
    }

    private func convolution(
        _ name: String, _ type: MaskType, inputs: Int, outputs: Int, kernel: (rows: Int, columns: Int),
        bias: Bool = false
    ) -> [TensorSpec] {
        let mask = ConvolutionMask(
            type: type, outputs: outputs, inputs: inputs, rows: kernel.rows, columns: kernel.columns,
            channels: channels)
        var list = [TensorSpec(name: "\(name).weight", shape: mask.shape, role: .weight(mask: mask))]
        if bias { list.append(TensorSpec(name: "\(name).bias", shape: [outputs], role: .bias)) }
        list.append(TensorSpec(name: "\(name).mask", shape: mask.shape, role: .mask(mask)))
        return list
    }

    private func norm(_ name: String) -> [TensorSpec] {
        [
            TensorSpec(name: "\(name).weight", shape: [groupSize], role: .normWeight),
            TensorSpec(name: "\(name).bias", shape: [groupSize], role: .normBias),
        ]
    }
}

/// Name, shape and role of one tensor of the network, named as PyTorch's `state_dict` names it.
package struct TensorSpec: Sendable, Equatable {
    /// What a tensor is for.
    package enum Role: Sendable, Equatable {
        /// Weight of a convolution, (outputs, inputs, rows, columns), or of the classes, (outputs, labels); with the
        /// mask that applies to it, if any.
        case weight(mask: ConvolutionMask?)
        /// Bias of a convolution.
        case bias
        /// Scale of a layer norm; shared by all colour groups.
        case normWeight
        /// Offset of a layer norm; shared by all colour groups.
        case normBias
        /// Running mean of a batch norm.
        case mean
        /// Running variance of a batch norm.
        case variance
        /// Numbers that feed nothing and may be integers.
        case number
        /// A stored mask, bool or of zeros and ones; must equal the derived one.
        case mask(ConvolutionMask)
    }

    /// Canonical name, such as `gated_layers.3.h_conv.weight`.
    package let name: String
    /// Extent of each dimension.
    package let shape: [Int]
    /// What the tensor is for.
    package let role: Role

    /// Number of elements.
    package var count: Int { shape.reduce(1, *) }

    /// Whether it is a stored mask rather than a trained parameter.
    package var isMask: Bool {
        if case .mask = role { true } else { false }
    }

    /// Whether PyTorch counts it as a parameter.
    package var isTrained: Bool {
        switch role {
        case .weight, .bias, .normWeight, .normBias: true
        case .mean, .variance, .number, .mask: false
        }
    }
}
