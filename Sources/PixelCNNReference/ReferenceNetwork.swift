// The full forward pass over a whole image, as docs/MODEL.md says it, on OpenBLAS. Slow, obvious, and independent of
// the engine's code: what `pixelcnn-train verify` and the tests hold the engine and the gradients against.

import COpenBLAS
import PixelCNNModel

#if canImport(Glibc)
    import Glibc
#endif

/// The network that a model's description says, with its masks applied, for whole images.
package struct ReferenceNetwork {
    /// The network.
    package let description: NetworkDescription

    private let table: [Float]  // (d, F); empty where values are scaled
    private let stem: [ImageConvolution]  // none, one for both stacks, or the vertical stack's and the horizontal one's
    private let stemLabels: Classes
    private let blocks: [Block]
    private let head: [ImageConvolution]
    private let headLabels: Classes

    private struct Block {
        let layers: NetworkDescription.Block
        let vertical, horizontal, output: ImageConvolution
        let second, point, skip: ImageConvolution?
        let link: [ImageConvolution]  // one, or one for each half
        let verticalLabels, horizontalLabels: Classes
        let verticalNorm, horizontalNorm: Norm
    }

    private enum Norm {
        case none
        case layer(weight: [Float], bias: [Float])  // (g)
        case batch(scale: [Float], shift: [Float])  // (F)
    }

    /// What each class adds, (classes, channels); empty for nothing.
    private typealias Classes = [[Float]]

    /// Copies the model's weights, masked.
    package init(model: Model) {
        let network = model.description
        description = network
        func image(_ layer: Convolution) -> ImageConvolution { ImageConvolution(layer, of: model) }
        func classes(_ table: ClassTable?) -> Classes { table.map(model.rows) ?? [] }
        func norm(_ norm: NetworkDescription.Norm, _ order: ChannelOrder) -> Norm {
            switch norm {
            case .none: return .none
            case .layer(let name):
                return .layer(weight: model[name + ".weight"].floats(), bias: model[name + ".bias"].floats())
            case .batch(let name):
                let (scale, shift) = model.batchNorm(name, order)
                return .batch(scale: scale, shift: shift)
            }
        }
        if case .table(let name) = network.input { table = model[name].floats() } else { table = [] }
        switch network.stem {
        case .none: (stem, stemLabels) = ([], [])
        case .shared(let layer, _, let label): (stem, stemLabels) = ([image(layer)], classes(label))
        case .separate(let vertical, let horizontal): (stem, stemLabels) = ([image(vertical), image(horizontal)], [])
        }
        blocks = network.blocks.map { block in
            let link =
                switch block.link {
                case .full(let layer): [image(layer)]
                case .halves(let tanh, let sigmoid): [image(tanh), image(sigmoid)]
                }
            return Block(
                layers: block, vertical: image(block.vertical), horizontal: image(block.horizontal),
                output: image(block.output), second: block.second.map(image), point: block.point.map(image),
                skip: block.skip.map(image), link: link, verticalLabels: classes(block.verticalLabel),
                horizontalLabels: classes(block.horizontalLabel),
                verticalNorm: norm(block.verticalNorm, block.output.outputs),
                horizontalNorm: norm(block.horizontalNorm, block.output.outputs))
        }
        head = network.head.layers.map(image)
        headLabels = classes(network.head.label)
        // One thread per call: results depend on how OpenBLAS splits a product.
        openblas_set_num_threads(1)
    }

    /// Logits (d, C, H, W) of an image's values (C, H, W), 0 … d − 1; `label` is the image's class, where the network
    /// is conditional, and only there.
    package func logits(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> [Float] {
        let (channels, colors) = (description.channels, description.colors)
        precondition(values.count == channels * height * width)
        precondition(label.map { (0..<description.labels).contains($0) } ?? !description.isConditional)
        let x = input(values, height, width)
        var (v, h) = (x, x)
        switch description.stem {
        case .none: break
        case .shared(_, let activation, _):
            v = activate(conditioned(stem[0](x), stemLabels, label), activation)
            h = v
        case .separate: (v, h) = (stem[0](x), stem[1](x))
        }
        var skips: FeatureMap?
        for block in blocks {
            let z: FeatureMap
            (v, h, z) = forward(block, v, h, label)
            if let skip = block.skip { skips = skips?.combined(with: skip(z), +) ?? skip(z) }
        }
        var y = (description.head.takesSkips ? skips : nil) ?? h
        y = activate(conditioned(y, headLabels, label), description.head.before)
        for layer in head.dropLast() { y = activate(layer(y), description.head.between) }
        y = head[head.count - 1](y)  // (C · d, H, W)
        return y.channels((0..<colors).flatMap { j in (0..<channels).map { $0 * colors + j } }).values
    }

    /// Log-probabilities (C, H, W), in nats, of an image's values (C, H, W).
    package func logProbabilities(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> [Float] {
        let logits = logits(values, height: height, width: width, label: label)
        return values.indices.map { place in
            let row = (0..<description.colors).map { Double(logits[$0 * values.count + place]) }
            let largest = row.max() ?? 0
            return Float(row[Int(values[place])] - largest - log(row.reduce(0) { $0 + exp($1 - largest) }))
        }
    }

    /// −mean log₂ probability of an image's values (C, H, W): bits per dimension.
    package func bitsPerDimension(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> Double {
        let total = logProbabilities(values, height: height, width: width, label: label)
            .reduce(0.0) { $0 + Double($1) }
        return -total / Double(values.count) / log(2)
    }

    /// What the network reads for an image's values.
    private func input(_ values: [UInt16], _ height: Int, _ width: Int) -> FeatureMap {
        switch description.input {
        case .signed, .unit:
            let scaled = description.scaledValues
            return FeatureMap(
                channels: description.channels, height: height, width: width, values: values.map { scaled[Int($0)] })
        case .table:
            let features = table.count / description.colors
            return FeatureMap(
                channels: features, height: height, width: width,
                values: (0..<features).flatMap { feature in values.map { table[Int($0) * features + feature] } })
        }
    }

    /// One gated block, its norms included: (v, h), and the gated horizontal features.
    private func forward(
        _ block: Block, _ v: FeatureMap, _ h: FeatureMap, _ label: Int?
    ) -> (v: FeatureMap, h: FeatureMap, gated: FeatureMap) {
        let layers = block.layers
        var u = block.vertical(v)
        if let second = block.second { u = second(u) }
        var source = u
        if let point = block.point { u = u.combined(with: point(v), +) }
        u = conditioned(u, block.verticalLabels, label)
        switch layers.linkSource {
        case .convolution: break
        case .sum: source = u
        case .sumOfRowAbove: source = rowAbove(u, first: (block.second ?? block.vertical).bias)
        }
        let q = conditioned(block.horizontal(h), block.horizontalLabels, label)
        let z = activate(q.combined(with: link(block, source), +), .gate)
        var next = block.output(z)
        if layers.hasResidual { next = next.combined(with: h, +) }
        var below = activate(u, .gate)
        if layers.hasVerticalResidual { below = below.combined(with: v, +) }
        return (normalize(below, block.verticalNorm), normalize(next, block.horizontalNorm), z)
    }

    private func link(_ block: Block, _ u: FeatureMap) -> FeatureMap {
        guard block.link.count == 2 else { return block.link[0](u) }
        let half = u.channels / 2
        let (a, b) = (block.link[0](u.channels(0..<half)), block.link[1](u.channels(half..<2 * half)))
        return FeatureMap(channels: u.channels, height: u.height, width: u.width, values: a.values + b.values)
    }

    /// Each row is that of the row above; above the first one, `first` at every column.
    private func rowAbove(_ u: FeatureMap, first: [Float]?) -> FeatureMap {
        var y = u
        for i in y.values.indices {
            let (channel, place) = (i / u.area, i % u.area)
            y.values[i] = place < u.width ? first?[channel] ?? 0 : u.values[i - u.width]
        }
        return y
    }

    private func activate(_ x: FeatureMap, _ activation: NetworkDescription.Activation) -> FeatureMap {
        switch activation {
        case .none: return x
        case .relu: return x.map { max($0, 0) }
        case .elu: return x.map { $0 > 0 ? $0 : expm1($0) }
        case .gate:
            let half = x.channels / 2
            return x.channels(0..<half).combined(with: x.channels(half..<2 * half)) { tanh($0) / (1 + exp(-$1)) }
        }
    }

    /// The class's row, added at every position.
    private func conditioned(_ x: FeatureMap, _ rows: Classes, _ label: Int?) -> FeatureMap {
        guard let label, !rows.isEmpty else { return x }
        var y = x
        for i in y.values.indices { y.values[i] += rows[label][i / x.area] }
        return y
    }

    private func normalize(_ x: FeatureMap, _ norm: Norm) -> FeatureMap {
        switch norm {
        case .none: return x
        case .layer(let weight, let bias): return normalize(x, weight, bias)
        case .batch(let scale, let shift):
            var y = x
            for i in y.values.indices { y.values[i] = y.values[i] * scale[i / x.area] + shift[i / x.area] }
            return y
        }
    }

    /// Layer norm over the channels of each colour group, at each position.
    private func normalize(_ x: FeatureMap, _ weight: [Float], _ bias: [Float]) -> FeatureMap {
        var y = x
        let group = weight.count
        for first in stride(from: 0, to: x.channels, by: group) {
            for i in 0..<x.area {
                let places = (first..<first + group).map { $0 * x.area + i }
                let mean = places.reduce(0.0) { $0 + Double(x.values[$1]) } / Double(group)
                let variance = places.reduce(0.0) { $0 + pow(Double(x.values[$1]) - mean, 2) } / Double(group)
                for (j, place) in places.enumerated() {
                    let scaled = Float((Double(x.values[place]) - mean) / (variance + 1e-5).squareRoot())
                    y.values[place] = scaled * weight[j] + bias[j]
                }
            }
        }
        return y
    }
}
