// Where a network's numbers are while an image is drawn: which rows of which layer are kept above the pixel, which
// columns left of it, and how wide everything is. Derived once from the description; row caches, both stacks and the
// packed weights follow it, so that none of them knows one network from another.

import PixelCNNKernels
import PixelCNNModel

/// Sizes in floats, by the names of docs/MODEL.md.
struct NetworkShape: Sendable {
    let channels: Int  // C
    let colors: Int  // d
    let labels: Int  // classes, 0 where the network is unconditional
    let blocks: Int
    /// F in colour groups. A pixel takes as many passes as there are groups, and each draws as many channels.
    let features: ColorGroups
    /// Of a value's pixel as the network reads it: C, or F where values are rows of a table.
    let valueWidth: Int
    /// Whether a value is read as a row of a table.
    let valuesAreRows: Bool

    /// What the features take, in whole vectors: a group's pair, all groups' pairs, all features.
    let pair, pairs, featureRoom: Int

    /// What the first convolution of the horizontal stack sees of a pixel's surroundings, in runs of whole columns, and
    /// the floats of it; empty where there is none.
    let patch: ConstantList<PatchRun>
    let patchContext: Int
    /// The context, and the pixel's own channels.
    let patchCount: Int

    /// Rows kept above the pixel. The first ring has the values as the network reads them.
    let rings: ConstantList<Ring>
    /// Each block's rings.
    let blockRings: ConstantList<BlockRings>
    /// Each block's input at the pixel and left of it, then the last block's output.
    let columns: ConstantList<KeptColumns>
    /// Whether the first block reads the values themselves.
    let blocksReadValues: Bool
    /// Whether both stacks start from the same convolution of the values.
    var sharesInput: Bool { !blocksReadValues && !hasVerticalStem }
    /// Whether the vertical stack starts from a convolution of its own, which is then its first stage; otherwise it
    /// starts from what the horizontal stack starts from.
    let hasVerticalStem: Bool
    /// How many columns to the right each stage of the vertical stack sees: the stem where it is a stage, the blocks.
    let stageReach: ConstantList<Int>
    /// Which stages of the vertical stack can add up the rows above ahead of the rest: they read them from the stage
    /// before, which has computed them before the pixels of the row above are drawn.
    let stageSumsAbove: ConstantList<Bool>
    /// Whether a row of the vertical stack, which follows the pixels of the row above, may begin before that one's own
    /// vertical row is complete: it overwrites only columns of a layer that nobody reads any more, since they are
    /// further left by what the stages before read to the right.
    let rowsMayOverlap: Bool
    private let storage: ConstantStorage

    /// Columns of a row that lie side by side.
    struct PatchRun: BitwiseCopyable {
        let row: Int
        let column: Int
        let columns: Int
    }

    /// Rows of one layer, row r at r % kept, zero beside the image.
    struct Ring: BitwiseCopyable {
        let channels: Int
        /// Columns beside the image, on each side.
        let pad: Int
        /// Rows above the one being written that will be read.
        let history: Int
        /// By how many rows the newest complete row is older than the row above the pixel's.
        let lag: Int
        /// What all rings before this one hold: floats per column of the image, and besides.
        let before: (perColumn: Int, fixed: Int)

        var kept: Int { history + 1 }
        /// Whole cache lines, whatever the image's width: the next ring begins on one.
        var after: (perColumn: Int, fixed: Int) {
            (
                before.perColumn + (kept * channels).roundedUpToLanes,
                before.fixed + (kept * 2 * pad * channels).roundedUpToLanes
            )
        }
    }

    /// Places of a block's rings.
    struct BlockRings: BitwiseCopyable {
        let input: Int
        /// Of the first of two vertical convolutions.
        let between: Int
        /// Of what the link reads, where the gate waits for the row to be complete.
        let convolved: Int
    }

    /// A layer's features at the pixel and the columns left of it, left ones first.
    struct KeptColumns: BitwiseCopyable {
        /// What all layers before this one take, per image.
        let before: Int
        let left: Int
        let width: Int

        var stride: Int { (left + 1) * width }
    }

    init(_ network: NetworkDescription) {
        let storage = ConstantStorage()
        self.storage = storage
        channels = network.channels
        colors = network.colors
        labels = network.labels
        blocks = network.blocks.count
        features = network.features
        valuesAreRows = if case .table = network.input { true } else { false }
        valueWidth = valuesAreRows ? network.features.channels : network.channels
        (pair, pairs, featureRoom) = (features.pair, features.pairs, features.room)

        var first: Convolution?  // of the horizontal stack, before the blocks
        var verticalStem: Convolution?
        switch network.stem {
        case .none: break
        case .shared(let layer, _, _): first = layer
        case .separate(let vertical, let horizontal): (verticalStem, first) = (vertical, horizontal)
        }
        blocksReadValues = first == nil
        hasVerticalStem = verticalStem != nil
        patch = storage.list(Self.runs(first))
        patchContext = first?.context ?? 0
        patchCount = patchContext + network.channels

        var rings = RingList()
        let readers = [first, verticalStem].compactMap(\.self) + (first == nil ? [network.blocks[0].vertical] : [])
        let waits = network.blocks[0].point != nil  // the gate, for the row to be complete
        rings.add(
            channels: valueWidth, pad: readers.map(\.columnReach).max() ?? 0,
            history: (readers.map(\.rowReach).max() ?? 0) + (waits && first == nil ? 1 : 0), lag: 0)
        blockRings = storage.list(
            network.blocks.enumerated().map { i, block in
                var input = 0
                if i > 0 || first != nil {
                    let reach = block.vertical.rowReach
                    input = rings.add(
                        channels: block.vertical.inputs.count, pad: block.vertical.columnReach, history: reach,
                        lag: block.point == nil ? 0 : 1)
                }
                guard let second = block.second else { return BlockRings(input: input, between: 0, convolved: 0) }
                return BlockRings(
                    input: input,
                    between: rings.add(
                        channels: block.vertical.outputs.count, pad: 0, history: second.rowReach - 1, lag: 1),
                    convolved: rings.add(channels: second.outputs.count, pad: 0, history: 1, lag: 0))
            })
        self.rings = storage.list(rings.list)

        var before = 0
        var columns = network.blocks.map { block in
            let kept = KeptColumns(
                before: before, left: block.horizontal.columnReach, width: block.horizontal.inputs.count)
            before += kept.stride
            return kept
        }
        columns.append(KeptColumns(before: before, left: 0, width: features.channels))
        self.columns = storage.list(columns)
        let stages = [verticalStem].compactMap(\.self) + network.blocks.map(\.vertical)
        let reaches = stages.map(\.columnReach)
        stageReach = storage.list(reaches)
        let rowsMayOverlap =
            network.blocks.allSatisfy { $0.point == nil && $0.second == nil }
            && reaches.indices.dropFirst().allSatisfy { reaches[$0] <= reaches[..<$0].reduce(0, +) }
        self.rowsMayOverlap = rowsMayOverlap
        stageSumsAbove = storage.list(
            stages.enumerated().map { i, layer in
                rowsMayOverlap && i > 0 && layer.allowsWinograd && layer.rowOffsets.contains(0) && layer.rowReach > 0
            })
    }

    /// Floats of the kept columns of all layers, per image.
    var columnCount: Int { columns[blocks].before + columns[blocks].stride }

    /// Floats of the sums over the rows above, of all stages of a row of `width` columns; 0 where no stage has them.
    func sumsAbove(width: Int) -> Int {
        guard stageSumsAbove.contains(true) else { return 0 }
        return stageReach.count * 4 * ((width + 1) / 2) * (2 * features.channels).roundedUpToLanes
    }

    /// Channels that a pass draws.
    func drawn(in pass: Int) -> Range<Int> {
        features.count == channels ? pass..<pass + 1 : 0..<channels
    }

    /// What a convolution sees, without the pixel itself.
    private static func runs(_ layer: Convolution?) -> [PatchRun] {
        guard let layer else { return [] }
        return layer.rowOffsets.compactMap { row in
            let columns = layer.columnOffsets(row: row).filter { row < 0 || $0 < 0 }
            return columns.first.map { PatchRun(row: row, column: $0, columns: columns.count) }
        }
    }

    private struct RingList {
        var list: [Ring] = []

        @discardableResult
        mutating func add(channels: Int, pad: Int, history: Int, lag: Int) -> Int {
            list.append(
                Ring(
                    channels: channels, pad: pad, history: history, lag: lag,
                    before: list.last?.after ?? (perColumn: 0, fixed: 0)))
            return list.count - 1
        }
    }
}

extension Convolution {
    /// Whether all windows have three columns, so that F(2, 3) takes two thirds of the multiply-adds.
    var allowsWinograd: Bool {
        let rows = rowOffsets
        return !rows.isEmpty && rows.allSatisfy { columnOffsets(row: $0) == [-1, 0, 1] }
    }
}
