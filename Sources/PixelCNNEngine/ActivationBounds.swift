// How large the inputs of products can become, channel by channel: from weights, biases and norms alone, without data.
// The integers of `Precision.i16` are shares of these bounds, so that none is cut off and no sum of products overflows.
//
// Gates are within ±1. After a layer norm a channel is within √(g − 1) · |weight| + |bias|, and a group's g numbers
// have the length √g before weight and bias, which bounds a sum of products more tightly than its terms do. All else is
// the sum of its terms' bounds.

import PixelCNNModel

/// Bounds of the inputs of a network's products, by what reads them; each list has an entry per channel.
struct ActivationBounds {
    /// Of what the network reads for a value.
    let values: [Float]
    private(set) var blocks: [Block] = []
    /// Of the input of each layer of the head.
    private(set) var head: [[Float]] = []

    /// Of a block's inputs.
    struct Block {
        /// Of the vertical stack, and of the second of two convolutions.
        let vertical: [Float]
        let between: [Float]
        /// Of what the link reads.
        let link: [Float]
        /// Of the horizontal stack.
        let horizontal: [Float]
        /// Of the gates.
        let gates: [Float]
    }

    init(_ model: Model) {
        let network = model.description
        if case .table(let name) = network.input {
            let floats = model[name].floats()
            let width = network.features.channels
            values = (0..<width).map { i in
                stride(from: i, to: floats.count, by: width).reduce(0) { max($0, abs(floats[$1])) }
            }
        } else {
            values = Array(repeating: network.scaledValues.reduce(0) { max($0, abs($1)) }, count: network.channels)
        }

        var (vertical, horizontal) = (Bounds(values), Bounds(values))
        switch network.stem {
        case .none: break
        case .shared(let layer, let activation, let label):
            vertical = Bounds(model.sum([(layer, Bounds(values))], label: label)).after(activation)
            horizontal = vertical
        case .separate(let first, let second):
            vertical = Bounds(model.sum([(first, Bounds(values))]))
            horizontal = Bounds(model.sum([(second, Bounds(values))]))
        }
        let gates = Bounds(Array(repeating: 1, count: network.features.channels))
        var skips = [Float](repeating: 0, count: network.features.channels)
        for block in network.blocks {
            let between = block.second.map { _ in Bounds(model.sum([(block.vertical, vertical)])) } ?? vertical
            let isLinkOfSum = block.linkSource != .convolution
            let points = isLinkOfSum ? block.point.map { [($0, vertical)] } ?? [] : []
            let link = model.sum([(block.gated, between)] + points, label: isLinkOfSum ? block.verticalLabel : nil)
            blocks.append(
                Block(
                    vertical: vertical.largest, between: between.largest, link: link, horizontal: horizontal.largest,
                    gates: gates.largest))
            if let skip = block.skip { skips = zip(skips, model.sum([(skip, gates)])).map(+) }
            let output = Bounds(model.sum([(block.output, gates)]))
            let (groups, order) = (network.features, block.output.outputs)
            vertical = (block.hasVerticalResidual ? gates.adding(vertical) : gates)
                .after(block.verticalNorm, order, groups, of: model)
            horizontal = (block.hasResidual ? output.adding(horizontal) : output)
                .after(block.horizontalNorm, order, groups, of: model)
        }

        if network.head.takesSkips {
            horizontal = Bounds(zip(skips, model.largest(network.head.label, count: skips.count)).map(+))
        }
        var input = horizontal.after(network.head.before)
        for (i, layer) in network.head.layers.enumerated() {
            head.append(input.largest)
            guard i + 1 < network.head.layers.count else { break }
            input = Bounds(model.sum([(layer, input)])).after(network.head.between)
        }
    }
}

/// Bounds of a layer's numbers, and what else is known of them.
private struct Bounds {
    let largest: [Float]
    /// Where they come from a layer norm over colour groups: its weight and bias (g).
    var norm: (groups: ColorGroups, weight: [Float], bias: [Float])?

    init(_ largest: [Float]) { self.largest = largest }

    func adding(_ other: Bounds) -> Bounds { Bounds(zip(largest, other.largest).map(+)) }

    func after(_ activation: NetworkDescription.Activation) -> Bounds {
        switch activation {
        case .none: self
        case .relu: Bounds(largest)
        case .elu: Bounds(largest.map { max($0, 1) })
        case .gate: Bounds(Array(repeating: 1, count: largest.count / 2))
        }
    }

    func after(
        _ norm: NetworkDescription.Norm, _ order: ChannelOrder, _ groups: ColorGroups, of model: Model
    ) -> Bounds {
        switch norm {
        case .none: return self
        case .layer(let name):
            let (weight, bias) = (model[name + ".weight"].floats(), model[name + ".bias"].floats())
            let channels = (0..<groups.channels).map { i in
                let group = groups.group(of: i)
                let (size, place) = (Float(groups.size(group)), i - groups.start(group))
                return (size - 1).squareRoot() * abs(weight[place]) + abs(bias[place])
            }
            var bounds = Bounds(channels)
            bounds.norm = (groups, weight, bias)
            return bounds
        case .batch(let name):
            let (scale, shift) = model.batchNorm(name, order)
            return Bounds(zip(largest, zip(scale, shift)).map { $0 * abs($1.0) + abs($1.1) })
        }
    }

    /// Of Σ weight(i) · x_i over the channels.
    func ofSum(_ weight: (Int) -> Float) -> Float {
        guard let norm else { return largest.indices.reduce(0) { $0 + abs(weight($1)) * largest[$1] } }
        return (0..<norm.groups.count).reduce(0) { sum, group in
            var (terms, squares, shift) = (Float(0), Float(0), Float(0))
            for i in norm.groups.start(group)..<norm.groups.end(group) {
                let (weight, place) = (weight(i), i - norm.groups.start(group))
                terms += abs(weight) * largest[i]
                squares += weight * norm.weight[place] * weight * norm.weight[place]
                shift += weight * norm.bias[place]
            }
            return sum + min(terms, (squares * Float(norm.groups.size(group))).squareRoot() + abs(shift))
        }
    }
}

extension Model {
    /// Bounds of the sum of some convolutions, of these inputs, with their biases and what a class adds.
    fileprivate func sum(_ layers: [(Convolution, Bounds)], label: ClassTable? = nil) -> [Float] {
        var sums = largest(label, count: layers[0].0.outputs.count)
        for (layer, input) in layers {
            let (weights, taps) = (weights(of: layer), layer.taps.count)
            for (output, bias) in bias(of: layer).enumerated() {
                sums[output] += abs(bias)
                for tap in 0..<taps { sums[output] += input.ofSum { weights(output: output, input: $0, tap: tap) } }
            }
        }
        return sums
    }

    /// The largest that any class adds to each output; zero without a table.
    fileprivate func largest(_ label: ClassTable?, count: Int) -> [Float] {
        guard let label else { return Array(repeating: 0, count: count) }
        let rows = rows(of: label)
        return (0..<count).map { i in rows.reduce(0) { max($0, abs($1[i])) } }
    }
}
