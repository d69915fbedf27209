// The rule that makes a convolution autoregressive: which input a kernel position may see.
//
// Files store masks as bool tensors beside the weights. Here they are derived from the rule and the stored ones only
// compared with it, so that a file cannot smuggle in a network that looks ahead.

/// The mask of a kernel of shape (outputs, inputs, rows, columns): rows below the centre row are hidden, and in the
/// centre row columns right of the centre; at the centre, output group o sees input groups < o (type A) or ≤ o (type
/// B). Two further types have no colour groups: see ``MaskType``.
package struct ConvolutionMask: Sendable, Equatable {
    /// What the centre sees.
    package let type: MaskType
    /// Output channels; divisible by `channels` where the groups are contiguous.
    package let outputs: Int
    /// Input channels; likewise.
    package let inputs: Int
    /// Kernel rows.
    package let rows: Int
    /// Kernel columns.
    package let columns: Int
    /// C: colour groups that outputs and inputs split into.
    package let channels: Int
    /// Which channels form a colour group.
    package let order: ColorOrder

    /// A mask rule for a kernel (outputs, inputs, rows, columns) of a network with `channels` colour groups.
    package init(
        type: MaskType, outputs: Int, inputs: Int, rows: Int, columns: Int, channels: Int,
        order: ColorOrder = .contiguous
    ) {
        precondition(
            channels > 0 && (order != .contiguous || outputs % channels == 0 && inputs % channels == 0),
            "unequal colour groups")
        precondition(rows % 2 == 1 && columns % 2 == 1, "a kernel without a centre")
        self.type = type
        self.outputs = outputs
        self.inputs = inputs
        self.rows = rows
        self.columns = columns
        self.channels = channels
        self.order = order
    }

    /// (outputs, inputs, rows, columns).
    package var shape: [Int] { [outputs, inputs, rows, columns] }

    /// Whether the output channel sees the input channel at this kernel position.
    package func isVisible(output: Int, input: Int, row: Int, column: Int) -> Bool {
        let centreRow = rows / 2
        let centreColumn = columns / 2
        if row != centreRow { return row < centreRow }
        switch type {
        case .above: return false
        case .rows: return true
        case .a, .b: break
        }
        if column != centreColumn { return column < centreColumn }
        return isVisible(outputGroup: outputGroup(output), inputGroup: inputGroup(input))
    }

    /// Whether any output sees any input at this kernel position.
    func seesSomething(row: Int, column: Int) -> Bool {
        isVisible(output: outputs - 1, input: 0, row: row, column: column)
            || (0..<min(channels, outputs)).contains { isVisible(output: $0, input: 0, row: row, column: column) }
    }

    /// Whether an output of one colour group sees an input of another at the centre.
    package func isVisible(outputGroup: Int, inputGroup: Int) -> Bool {
        type == .a ? inputGroup < outputGroup : inputGroup <= outputGroup
    }

    /// The colour group of an output channel.
    func outputGroup(_ output: Int) -> Int {
        switch order {
        case .contiguous: output / (outputs / channels)
        case .interleaved: output % channels
        case .interleavedHalves: output % (outputs / 2) % channels
        }
    }

    /// The colour group of an input channel.
    func inputGroup(_ input: Int) -> Int {
        order == .contiguous ? input / (inputs / channels) : input % channels
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

/// What a masked convolution sees of its own row.
package enum MaskType: Sendable, Equatable {
    /// At the pixel only earlier colour groups: the first layers, whose input is the pixel being predicted.
    case a
    /// Earlier colour groups and its own: all later layers.
    case b
    /// Nothing.
    case above
    /// All of it.
    case rows
}

/// Which channels of a layer form a colour group.
package enum ColorOrder: Sendable, Equatable {
    /// As many channels as make a group, one group after the other.
    case contiguous
    /// Every C-th channel.
    case interleaved
    /// Every C-th channel of each half of the outputs, which are a gate's; inputs are interleaved throughout.
    case interleavedHalves
}
