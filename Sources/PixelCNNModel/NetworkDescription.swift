// A gated two-stack PixelCNN as a value: which layers it has, what each sees, and where its numbers are in the file.
// The engine, the full forward pass and the checks of a file follow it, so a network of the family is one such value
// (PublishedNetworks.swift) and no case anywhere else. docs/MODEL.md has the forward pass of the general block.
//
// Channels are counted in the order in which they are computed: colour group by colour group, the tanh half of a gate
// before its sigmoid half, the logits of a channel together. `ChannelOrder` says where such a channel is in the file.

/// Everything about a network but its weights and the size of its images.
package struct NetworkDescription: Sendable, Equatable {
    /// Whose network it is.
    package let network: Network
    /// C: image channels.
    package let channels: Int
    /// d: values that a channel can take.
    package let colors: Int
    /// Classes; 0 where the network is unconditional.
    package let labels: Int
    /// F, in the colour groups that the network has: one per channel, or one where it has no colour masks. A pixel is
    /// computed in as many passes, and each draws as many channels.
    package let features: ColorGroups
    /// How the network reads values.
    package let input: Input
    /// What stands before the blocks.
    package let stem: Stem
    /// The gated blocks, the first one first.
    package let blocks: [Block]
    /// What makes logits of the last features.
    package let head: Head
    /// Every tensor of the state_dict, parameters and masks, in PyTorch's order.
    package let tensors: [TensorSpec]

    /// The tensors that a model holds: all but the masks, which are derived.
    package var parameters: [TensorSpec] { tensors.filter { !$0.isMask } }

    /// The stored masks, in PyTorch's order.
    package var masks: [TensorSpec] { tensors.filter(\.isMask) }

    /// Number of trained parameters, those under a mask included, as PyTorch counts them.
    package var parameterCount: Int { tensors.filter(\.isTrained).reduce(0) { $0 + $1.count } }

    /// Whether every image is drawn, scored and trained under a label, 0 … `labels` − 1.
    package var isConditional: Bool { labels > 0 }

    /// What the network reads for each value, (d), where values are scaled: of ±1 (v − c) / c with c = (d − 1) / 2.
    package var scaledValues: [Float] {
        let (values, last) = (0..<colors, Float(colors - 1))
        switch input {
        case .signed: return values.map { (Float($0) - last / 2) / (last / 2) }
        case .unit: return values.map { Float($0) / last }
        case .table: return []
        }
    }

    /// How values 0 … d − 1 are read; the image is zero outside.
    package enum Input: Sendable, Equatable {
        /// −1 … 1.
        case signed
        /// 0 … 1.
        case unit
        /// A row of a learnt table (d, F), by its name.
        case table(String)
    }

    /// What stands before the blocks. Both stacks start from its result, or from the input itself.
    package enum Stem: Sendable, Equatable {
        /// Nothing.
        case none
        /// One convolution for both stacks, what it goes through, and what a class adds before that.
        case shared(Convolution, Activation, label: ClassTable?)
        /// One for each stack, without an activation.
        case separate(vertical: Convolution, horizontal: Convolution)
    }

    /// What stands between two layers.
    package enum Activation: Sendable, Equatable {
        case none, relu, elu
        /// tanh of the first half of the channels · σ of the second.
        case gate
    }

    /// Which row of what the link reads.
    package enum LinkSource: Sendable, Equatable {
        /// The vertical convolution alone.
        case convolution
        /// All that goes into the vertical gate.
        case sum
        /// The same of the row above; above the first row, the bias of the vertical convolution.
        case sumOfRowAbove
    }

    /// From the vertical pre-activations to the horizontal ones, 2F → 2F.
    package enum Link: Sendable, Equatable {
        /// One convolution.
        case full(Convolution)
        /// One for each half of the gate, F → F.
        case halves(tanh: Convolution, sigmoid: Convolution)
    }

    /// What follows a block's output.
    package enum Norm: Sendable, Equatable {
        case none
        /// Layer norm over each colour group; one weight and bias of a group's length, by the name they share.
        case layer(String)
        /// A scale and a shift per channel, from running statistics, by the name of the four tensors.
        case batch(String)
    }

    /// A gated block.
    package struct Block: Sendable, Equatable {
        package let vertical: Convolution
        /// Taken of the result of `vertical`, zero outside the image, before all else.
        package var second: Convolution?
        /// 1 × 1 of the vertical input at the same pixel, added before the gate.
        package var point: Convolution?
        package let link: Link
        package let linkSource: LinkSource
        package let horizontal: Convolution
        package let output: Convolution
        /// 1 × 1 of the gated horizontal features; the head takes the sum of all blocks'.
        package var skip: Convolution?
        package var verticalLabel: ClassTable?
        package var horizontalLabel: ClassTable?
        /// Whether the horizontal output adds the horizontal input.
        package var hasResidual = true
        package var hasVerticalResidual = false
        package var verticalNorm = Norm.none
        package var horizontalNorm = Norm.none

        /// The convolution whose result is 2F wide.
        package var gated: Convolution { second ?? vertical }
    }

    /// From features to logits.
    package struct Head: Sendable, Equatable {
        /// Whether the sum of the skips goes in, rather than the horizontal features.
        package var takesSkips = false
        /// What a class adds to that.
        package var label: ClassTable?
        /// What it then goes through.
        package var before = Activation.none
        /// 1 × 1 convolutions; the last one's outputs are the logits.
        package let layers: [Convolution]
        /// What stands between them.
        package var between = Activation.relu
    }
}

// MARK: - Layers

/// A convolution of stride 1 and where its numbers are: `name.weight`, and `name.bias` where it has one.
package struct Convolution: Sendable, Equatable {
    struct Place: Sendable, Equatable {
        let row: Int
        let column: Int
    }

    /// A place in the kernel: which input it sees, relative to the output, and where its weight is among those of a
    /// pair of channels.
    package struct Tap: Sendable, Equatable {
        package let row: Int
        package let column: Int
        let place: Int
    }

    package let name: String
    package let outputs: ChannelOrder
    package let inputs: ChannelOrder
    package let hasBias: Bool
    /// Rows and columns of the kernel in the file.
    package let rows: Int
    package let columns: Int
    /// The place in the kernel that is over the output.
    let centre: Place
    /// Rows and columns in which it has weights; the others are always 0.
    let usedRows: Range<Int>
    let usedColumns: Range<Int>
    /// Pixels from one column to the next.
    let dilation: Int
    /// What hides some of these places; nil where nothing does.
    let visible: ConvolutionMask?
    /// The rule for colour groups at the centre; nil where there is none.
    package let mask: ConvolutionMask?

    package var weightName: String { "\(name).weight" }
    package var biasName: String { "\(name).bias" }

    /// The places that anything is seen at, row by row; made anew at each call, as there may be thousands.
    package var taps: [Tap] {
        usedRows.flatMap { row in
            usedColumns.compactMap { column -> Tap? in
                guard visible?.seesSomething(row: row, column: column) ?? true else { return nil }
                return Tap(
                    row: (row - centre.row) * dilation, column: (column - centre.column) * dilation,
                    place: row * columns + column)
            }
        }
    }

    /// Row offsets of the taps, ascending, each once.
    package var rowOffsets: [Int] { Set(taps.map(\.row)).sorted() }

    /// Column offsets of the taps of a row, ascending.
    package func columnOffsets(row: Int) -> [Int] { taps.filter { $0.row == row }.map(\.column).sorted() }

    /// How many rows above its own it sees.
    package var rowReach: Int { -(taps.map(\.row).min() ?? 0) }

    /// How many columns to either side.
    package var columnReach: Int { taps.map { abs($0.column) }.max() ?? 0 }

    /// Whether it sees the pixel itself; of a layer of the horizontal stack that is then the last tap.
    private var hasCentre: Bool { taps.contains { $0.row == 0 && $0.column == 0 } }

    /// Inputs at all other pixels that it sees.
    package var context: Int { (taps.count - (hasCentre ? 1 : 0)) * inputs.count }

    /// How many inputs at the pixel itself colour group `c` of the outputs sees, of inputs in these groups: the first.
    package func seen(_ c: Int, of inputs: ColorGroups) -> Int {
        guard hasCentre else { return 0 }
        return switch mask?.type {
        case .a: inputs.start(c)
        case .b: inputs.end(c)
        case .above, .rows, nil: inputs.channels
        }
    }
}

/// What a class adds to a layer: a row per class.
package struct ClassTable: Sendable, Equatable {
    /// The name of its tensor, `name.weight`, and `name.bias` where it has one.
    package let name: String
    package let outputs: ChannelOrder
    /// Whether it is (outputs, classes), as a Linear has it, rather than (classes, outputs).
    package let isLinear: Bool
    package let hasBias: Bool

    /// The place in the tensor of what a class, of so many, adds to an output, whose place in the file this is.
    package func place(output: Int, label: Int, of labels: Int) -> Int {
        isLinear ? output * labels + label : label * outputs.fileCount + output
    }
}

// MARK: - Channels

/// Features in colour groups, one after the other; the first ones have one more where the groups are unequal.
package struct ColorGroups: Sendable, Equatable, BitwiseCopyable {
    /// Channels in all.
    package let channels: Int
    /// Groups.
    package let count: Int
    @usableFromInline let least: Int
    @usableFromInline let larger: Int  // groups that have one channel more

    package init(_ channels: Int, groups: Int) {
        self.channels = channels
        count = groups
        least = channels / groups
        larger = channels % groups
    }

    /// The first channel of a group.
    @inlinable package func start(_ group: Int) -> Int { group * least + min(group, larger) }
    /// The first channel after a group: as many are in the groups up to it.
    @inlinable package func end(_ group: Int) -> Int { start(group + 1) }
    /// Channels in a group.
    @inlinable package func size(_ group: Int) -> Int { least + (group < larger ? 1 : 0) }
    /// Channels in the largest group, which is the first one.
    @inlinable package var largest: Int { size(0) }

    /// The group of a channel.
    package func group(of channel: Int) -> Int {
        let boundary = larger * (least + 1)
        return channel < boundary ? channel / (least + 1) : larger + (channel - boundary) / max(least, 1)
    }

    /// The channel that a group has at `lane`; of a gate's pre-activations, whose sigmoid half comes after all of the
    /// tanh half, a group has its part of the one, then its part of the other.
    package func channel(_ group: Int, lane: Int) -> Int {
        let size = size(group)
        return start(group) + (lane < size ? lane : channels + lane - size)
    }
}

/// Where the channels of a layer are in the file.
package enum ChannelOrder: Sendable, Equatable {
    /// Features; interleaved where a group is every C-th channel of the file.
    case features(ColorGroups, isInterleaved: Bool = false)
    /// Pre-activations of so many gates, the tanh half before the sigmoid half; alternating where the file has a gate's
    /// two side by side.
    case gate(ColorGroups, isInterleaved: Bool = false, isAlternating: Bool = false)
    /// Logits, those of a channel together.
    case logits(channels: Int, colors: Int, LogitOrder)

    package enum LogitOrder: Sendable, Equatable {
        /// Channel c · d + v of the file is the logit of value v of channel c.
        case byChannel
        /// Channel v · C + c.
        case byValue
        /// Channel c is that of value 1, and the logit of value 0 is 0.
        case ofOnes
    }

    /// Channels as they are computed.
    package var count: Int {
        switch self {
        case .features(let groups, _): groups.channels
        case .gate(let groups, _, _): 2 * groups.channels
        case .logits(let channels, let colors, _): channels * colors
        }
    }

    /// The channels in the colour groups of a network that has so many; of gates, those of a half.
    package func groups(_ count: Int) -> ColorGroups {
        switch self {
        case .features(let groups, _), .gate(let groups, _, _): groups
        case .logits(let channels, let colors, _): ColorGroups(channels * colors, groups: count)
        }
    }

    /// Channels in the file.
    var fileCount: Int {
        if case .logits(let channels, _, .ofOnes) = self { channels } else { count }
    }

    /// The place in the file of each channel; nil where it is always 0.
    package var places: [Int?] {
        switch self {
        case .features(let groups, let isInterleaved):
            return Self.places(groups, isInterleaved)
        case .gate(let groups, let isInterleaved, let isAlternating):
            let half = Self.places(groups, isInterleaved)
            return isAlternating
                ? half.map { 2 * $0 } + half.map { 2 * $0 + 1 } : half + half.map { groups.channels + $0 }
        case .logits(let channels, let colors, let order):
            return (0..<channels * colors).map { i in
                let (channel, value) = (i / colors, i % colors)
                return switch order {
                case .byChannel: i
                case .byValue: value * channels + channel
                case .ofOnes: value == 1 ? channel : nil
                }
            }
        }
    }

    private static func places(_ groups: ColorGroups, _ isInterleaved: Bool) -> [Int] {
        guard isInterleaved else { return Array(0..<groups.channels) }
        return (0..<groups.count).flatMap { c in (0..<groups.size(c)).map { c + $0 * groups.count } }
    }
}
