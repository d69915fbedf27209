// One line of a network's state_dict: what a tensor is called, its shape, and what it is for.

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
        /// A stored bool mask; must equal the derived one.
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
}
