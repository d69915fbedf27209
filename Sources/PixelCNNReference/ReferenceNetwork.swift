// The full forward pass over a whole image, as docs/MODEL.md says it, on OpenBLAS. Slow, obvious, and independent of
// the engine's code: what `pixelcnn-train verify` and the tests hold the engine and the gradients against.

import COpenBLAS
import PixelCNNModel

#if canImport(Glibc)
    import Glibc
#endif

/// The network with its masks applied, for whole images.
package struct ReferenceNetwork {
    /// The model's sizes.
    package let hyperparameters: Hyperparameters

    private let input: Convolution
    private let blocks: [Block]
    private let hidden: Convolution
    private let output: Convolution

    private struct Block {
        let vertical, horizontal, tanhToHorizontal, sigmoidToHorizontal, projection: Convolution
        let verticalNorm, horizontalNorm: Norm
        let verticalLabels, horizontalLabels: [Float]  // (2F, labels); empty where the network is unconditional
    }

    private struct Norm {
        let weight, bias: [Float]  // (g)

        init(_ model: Model, _ name: String) {
            (weight, bias) = (model[name + ".weight"].floats(), model[name + ".bias"].floats())
        }
    }

    /// Copies the model's weights, masked.
    package init(model: Model) {
        hyperparameters = model.hyperparameters
        let loader = Loader(model: model)
        input = loader.masked("in_conv.0", type: .a, bias: true)
        blocks = (0..<hyperparameters.blocks).map { i in
            let name = "gated_layers.\(i)."
            return Block(
                vertical: loader.vertical(name + "v_conv"),
                horizontal: loader.masked(name + "h_conv", type: i == 0 ? .a : .b),
                tanhToHorizontal: loader.masked(name + "v1toh", type: .b),
                sigmoidToHorizontal: loader.masked(name + "v2toh", type: .b),
                projection: loader.masked(name + "htoh", type: .b),
                verticalNorm: Norm(model, "v_norm_layers.\(i)"),
                horizontalNorm: Norm(model, "h_norm_layers.\(i)"),
                verticalLabels: loader.labels(name + "v_label"), horizontalLabels: loader.labels(name + "h_label"))
        }
        hidden = loader.masked("out_conv.0", type: .b, bias: true)
        output = loader.masked("out_conv.2", type: .b, bias: true)
        // One thread per call: results depend on how OpenBLAS splits a product.
        openblas_set_num_threads(1)
    }

    /// Logits (d, C, H, W) of an image's values (C, H, W), 0 … d − 1; `label` is the image's class, where the network
    /// is conditional, and only there.
    package func logits(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> [Float] {
        let (channels, colors) = (hyperparameters.channels, hyperparameters.colors)
        precondition(values.count == channels * height * width)
        precondition(hyperparameters.accepts(label: label))
        let centre = Float(colors - 1) / 2
        let x = FeatureMap(
            channels: channels, height: height, width: width, values: values.map { (Float($0) - centre) / centre })
        var v = input(x).map { max($0, 0) }
        var h = v
        for block in blocks { (v, h) = forward(block, v, h, label) }
        let y = output(hidden(h).map { max($0, 0) })  // (C · d, H, W)
        return y.channels((0..<colors).flatMap { j in (0..<channels).map { $0 * colors + j } }).values
    }

    /// Log-probabilities (C, H, W), in nats, of an image's values (C, H, W).
    package func logProbabilities(_ values: [UInt16], height: Int, width: Int, label: Int? = nil) -> [Float] {
        let logits = logits(values, height: height, width: width, label: label)
        return values.indices.map { place in
            let row = (0..<hyperparameters.colors).map { Double(logits[$0 * values.count + place]) }
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

    /// One gated block, its norms included.
    private func forward(
        _ block: Block, _ v: FeatureMap, _ h: FeatureMap, _ label: Int?
    ) -> (FeatureMap, FeatureMap) {
        let filters = hyperparameters.filters
        let u = conditioned(block.vertical(v), block.verticalLabels, label)
        let (u1, u2) = (u.channels(0..<filters), u.channels(filters..<2 * filters))
        let q = conditioned(block.horizontal(h), block.horizontalLabels, label)
        let a = q.channels(stride(from: 0, to: 2 * filters, by: 2)).combined(with: block.tanhToHorizontal(u1), +)
        let b = q.channels(stride(from: 1, to: 2 * filters, by: 2)).combined(with: block.sigmoidToHorizontal(u2), +)
        let gated = { (a: FeatureMap, b: FeatureMap) in a.combined(with: b) { tanh($0) / (1 + exp(-$1)) } }
        return (
            normalize(gated(u1, u2), block.verticalNorm),
            normalize(block.projection(gated(a, b)).combined(with: h, +), block.horizontalNorm)
        )
    }

    /// Column `label` of a class weight (2F, labels), added at every position.
    private func conditioned(_ x: FeatureMap, _ columns: [Float], _ label: Int?) -> FeatureMap {
        guard let label else { return x }
        var y = x
        for i in y.values.indices { y.values[i] += columns[i / x.area * hyperparameters.labels + label] }
        return y
    }

    /// Layer norm over the channels of each colour group, at each position.
    private func normalize(_ x: FeatureMap, _ norm: Norm) -> FeatureMap {
        var y = x
        let group = hyperparameters.groupSize
        for first in stride(from: 0, to: x.channels, by: group) {
            for i in 0..<x.area {
                let places = (first..<first + group).map { $0 * x.area + i }
                let mean = places.reduce(0.0) { $0 + Double(x.values[$1]) } / Double(group)
                let variance = places.reduce(0.0) { $0 + pow(Double(x.values[$1]) - mean, 2) } / Double(group)
                for (j, place) in places.enumerated() {
                    let scaled = Float((Double(x.values[place]) - mean) / (variance + 1e-5).squareRoot())
                    y.values[place] = scaled * norm.weight[j] + norm.bias[j]
                }
            }
        }
        return y
    }
}

/// From a model's tensors to convolutions: masks applied, padding as docs/MODEL.md gives it.
private struct Loader {
    let model: Model

    /// A masked 'same' convolution: effective weight = weight · mask.
    func masked(_ name: String, type: MaskType, bias: Bool = false) -> Convolution {
        let tensor = model[name + ".weight"]
        let shape = tensor.shape
        let mask = ConvolutionMask(
            type: type, outputs: shape[0], inputs: shape[1], rows: shape[2], columns: shape[3],
            channels: model.hyperparameters.channels)
        return Convolution(
            weight: zip(tensor.floats(), mask.values()).map { $1 ? $0 : 0 },
            bias: bias ? model[name + ".bias"].floats() : nil, outputs: shape[0], inputs: shape[1],
            kernelHeight: shape[2], kernelWidth: shape[3], top: shape[2] / 2, left: shape[3] / 2)
    }

    /// The class weight of a block, (2F, labels); empty where the network is unconditional.
    func labels(_ name: String) -> [Float] {
        model.hyperparameters.isConditional ? model[name + ".weight"].floats() : []
    }

    /// `v_conv`: output row r sees rows r − p … r − 1 (type A) or r − p … r (type B), and all columns ± p.
    func vertical(_ name: String) -> Convolution {
        let tensor = model[name + ".weight"]
        let (shape, padding) = (tensor.shape, model.hyperparameters.padding)
        return Convolution(
            weight: tensor.floats(), bias: nil, outputs: shape[0], inputs: shape[1], kernelHeight: shape[2],
            kernelWidth: shape[3], top: padding, left: padding)
    }
}
