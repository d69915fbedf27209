// The rule that makes a convolution autoregressive: which input a kernel position may see.
//
// Files store masks as bool tensors beside the weights. Here they are derived from the rule and the stored ones only
// compared with it, so that a file cannot smuggle in a network that looks ahead.

/// The mask of a kernel of shape (outputs, inputs, rows, columns): rows below the centre row are hidden, and in the
/// centre row columns right of the centre; at the centre, output group o sees input groups < o (type A) or ≤ o (type
/// B).
package struct ConvolutionMask: Sendable, Equatable {
    /// What the centre sees.
    package let type: MaskType
    /// Output channels; divisible by `channels`.
    package let outputs: Int
    /// Input channels; divisible by `channels`.
    package let inputs: Int
    /// Kernel rows.
    package let rows: Int
    /// Kernel columns.
    package let columns: Int
    /// C: colour groups that outputs and inputs split into, in order.
    package let channels: Int

    /// A mask rule for a kernel (outputs, inputs, rows, columns) of a network with `channels` colour groups.
    package init(type: MaskType, outputs: Int, inputs: Int, rows: Int, columns: Int, channels: Int) {
        precondition(channels > 0 && outputs % channels == 0 && inputs % channels == 0, "unequal colour groups")
        precondition(rows % 2 == 1 && columns % 2 == 1, "a kernel without a centre")
        self.type = type
        self.outputs = outputs
        self.inputs = inputs
        self.rows = rows
        self.columns = columns
        self.channels = channels
    }

    /// (outputs, inputs, rows, columns).
    package var shape: [Int] { [outputs, inputs, rows, columns] }

    /// Whether the output channel sees the input channel at this kernel position.
    package func isVisible(output: Int, input: Int, row: Int, column: Int) -> Bool {
        let centreRow = rows / 2
        let centreColumn = columns / 2
        if row != centreRow { return row < centreRow }
        if column != centreColumn { return column < centreColumn }
        let outputGroup = output / (outputs / channels)
        let inputGroup = input / (inputs / channels)
        return type == .a ? inputGroup < outputGroup : inputGroup <= outputGroup
    }

    /// The whole mask, row-major (outputs, inputs, rows, columns); true where visible.
    package func values() -> [Bool] {
        var values: [Bool] = []
        values.reserveCapacity(outputs * inputs * rows * columns)
        for output in 0..<outputs {
            for input in 0..<inputs {
                for row in 0..<rows {
                    for column in 0..<columns {
                        values.append(isVisible(output: output, input: input, row: row, column: column))
                    }
                }
            }
        }
        return values
    }
}

/// What a masked convolution sees at its own pixel.
package enum MaskType: Sendable, Equatable {
    /// Only earlier colour groups: the first layers, whose input is the pixel being predicted.
    case a
    /// Earlier colour groups and its own: all later layers.
    case b
}
