// Which inputs a network connects with a prediction, whatever its weights: the layers of its description walked
// backwards, each time from the features that are wanted to those that they are computed from. For networks that have
// no gradient here by the values they read; of the original's it gives what a gradient above 0 gives.

import PixelCNNModel

extension ReceptiveField {
    /// What `network` connects with the logits of channel `channel` at a pixel.
    package init(
        connectionsOf network: NetworkDescription, height: Int, width: Int, channel: Int, row: Int, column: Int
    ) {
        let reach = NetworkReach(network: network, height: height, width: width)
        self.init(height: height, width: width, seen: reach.inputs(channel: channel, row: row, column: column))
    }
}

private struct NetworkReach {
    let network: NetworkDescription
    let height: Int
    let width: Int

    /// Wanted features of a stack, (groups, H, W); the vertical stack has one group, since it knows no colours.
    private typealias Wanted = [Bool]

    private var area: Int { height * width }
    private var groups: Int { network.features.count }

    /// Image channels and pixels, (C, H, W).
    func inputs(channel: Int, row: Int, column: Int) -> [Bool] {
        let place = row * width + column
        let own = groups == network.channels ? channel : 0
        // Every layer of the head sees the groups up to its own.
        var fromHead = Wanted(repeating: false, count: groups * area)
        for group in 0...own { fromHead[group * area + place] = true }
        let none = Wanted(repeating: false, count: groups * area)
        var h = network.head.takesSkips ? none : fromHead
        var v = Wanted(repeating: false, count: area)
        for block in network.blocks.reversed() {
            (v, h) = inputs(of: block, v: v, h: h, skips: block.skip == nil ? none : fromHead)
        }
        return values(v: v, h: h)
    }

    /// What a block's outputs, and its share of the skips, are computed from.
    private func inputs(
        of block: NetworkDescription.Block, v: Wanted, h: Wanted, skips: Wanted
    ) -> (v: Wanted, h: Wanted) {
        var below = Wanted(repeating: false, count: area)  // of the block's vertical input
        var left = Wanted(repeating: false, count: groups * area)  // of its horizontal input
        var gated = skips
        mark(&gated, seenBy: block.output, of: h)
        if block.hasResidual { for i in h.indices where h[i] { left[i] = true } }
        mark(&left, seenBy: block.horizontal, of: gated)

        var convolved = Wanted(repeating: false, count: area)
        var sums = v
        if block.hasVerticalResidual { for i in v.indices where v[i] { below[i] = true } }
        for place in 0..<area where (0..<groups).contains(where: { gated[$0 * area + place] }) {
            switch block.linkSource {
            case .convolution: convolved[place] = true
            case .sum: sums[place] = true
            case .sumOfRowAbove: if place >= width { sums[place - width] = true }
            }
        }
        for place in sums.indices where sums[place] {
            convolved[place] = true
            if block.point != nil { below[place] = true }
        }
        if let second = block.second {
            var between = Wanted(repeating: false, count: area)
            mark(&between, seenBy: second, of: convolved)
            convolved = between
        }
        mark(&below, seenBy: block.vertical, of: convolved)
        return (below, left)
    }

    /// The image's values that the first features are computed from.
    private func values(v: Wanted, h: Wanted) -> [Bool] {
        var values = Wanted(repeating: false, count: network.channels * area)
        /// All channels of a pixel, or as many of its groups as channels.
        func markVertical(_ wanted: Wanted) {
            for place in 0..<area where wanted[place] {
                for channel in 0..<network.channels { values[channel * area + place] = true }
            }
        }
        switch network.stem {
        case .none:
            markVertical(v)
            for channel in 0..<network.channels {
                let group = groups == network.channels ? channel : 0
                for place in 0..<area where h[group * area + place] { values[channel * area + place] = true }
            }
        case .shared(let layer, _, _):
            var wanted = h
            for group in 0..<groups { for place in v.indices where v[place] { wanted[group * area + place] = true } }
            mark(&values, seenBy: layer, of: wanted)
        case .separate(let vertical, let horizontal):
            var seen = Wanted(repeating: false, count: area)
            mark(&seen, seenBy: vertical, of: v)
            markVertical(seen)
            mark(&values, seenBy: horizontal, of: h)
        }
        return values
    }

    /// Marks what a convolution reads for its outputs that are wanted: at its centre the groups that its mask shows,
    /// elsewhere all.
    private func mark(_ inputs: inout Wanted, seenBy layer: Convolution, of outputs: Wanted) {
        let (inputGroups, outputGroups, taps) = (inputs.count / area, outputs.count / area, layer.taps)
        for i in outputs.indices where outputs[i] {
            let (group, row, column) = (i / area, i % area / width, i % width)
            for tap in taps {
                let (r, c) = (row + tap.row, column + tap.column)
                guard (0..<height).contains(r), (0..<width).contains(c) else { continue }
                let mask = tap.row == 0 && tap.column == 0 && inputGroups == outputGroups ? layer.mask : nil
                for seen in 0..<inputGroups where mask?.isVisible(outputGroup: group, inputGroup: seen) ?? true {
                    inputs[(seen * height + r) * width + c] = true
                }
            }
        }
    }
}
