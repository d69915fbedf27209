// Channels-first activations of one image, as PyTorch has them, and the convolution on them. Plain on purpose: this
// layer is what the engine is held against.

import COpenBLAS
import PixelCNNModel

/// Activations of one image: (channels, height, width).
struct FeatureMap {
    let channels: Int
    let height: Int
    let width: Int
    var values: [Float]

    var area: Int { height * width }

    init(channels: Int, height: Int, width: Int, values: [Float]? = nil) {
        (self.channels, self.height, self.width) = (channels, height, width)
        self.values = values ?? Array(repeating: 0, count: channels * height * width)
    }

    /// Applies `f` to every value.
    func map(_ f: (Float) -> Float) -> FeatureMap {
        FeatureMap(channels: channels, height: height, width: width, values: values.map(f))
    }

    /// Combines two maps of one shape, value by value.
    func combined(with other: FeatureMap, _ f: (Float, Float) -> Float) -> FeatureMap {
        FeatureMap(channels: channels, height: height, width: width, values: zip(values, other.values).map(f))
    }

    /// The channels that `range` names.
    func channels(_ range: some Sequence<Int>) -> FeatureMap {
        let picked = Array(range)
        return FeatureMap(
            channels: picked.count, height: height, width: width,
            values: picked.flatMap { values[$0 * area..<($0 + 1) * area] })
    }
}

/// A convolution of stride 1 on whole images, its kernel already masked.
struct ImageConvolution {
    private let weight: [Float]  // (outputs, inputs, taps)
    /// By output.
    let bias: [Float]?
    private let outputs: Int
    private let inputs: Int
    private let taps: [Convolution.Tap]

    /// The effective weights of a layer.
    init(_ layer: Convolution, of model: Model) {
        let weights = model.weights(of: layer)
        outputs = layer.outputs.count
        inputs = layer.inputs.count
        taps = layer.taps
        bias = layer.hasBias ? model.bias(of: layer) : nil
        var weight: [Float] = []
        weight.reserveCapacity(outputs * inputs * taps.count)
        for output in 0..<outputs {
            for input in 0..<inputs {
                for tap in taps.indices { weight.append(weights(output: output, input: input, tap: tap)) }
            }
        }
        self.weight = weight
    }

    /// (inputs, H, W) → (outputs, H, W): the patches as a matrix, and one matrix product.
    func callAsFunction(_ x: FeatureMap) -> FeatureMap {
        let depth = inputs * taps.count
        var patches = [Float](repeating: 0, count: depth * x.area)  // (depth, H·W)
        for k in 0..<depth {
            let (channel, tap) = (k / taps.count, taps[k % taps.count])
            let (down, right) = (tap.row, tap.column)
            for row in max(0, -down)..<max(0, -down, min(x.height, x.height - down)) {
                for column in max(0, -right)..<max(0, -right, min(x.width, x.width - right)) {
                    patches[k * x.area + row * x.width + column] =
                        x.values[channel * x.area + (row + down) * x.width + column + right]
                }
            }
        }
        var y = FeatureMap(channels: outputs, height: x.height, width: x.width)
        if let bias {
            for o in 0..<outputs { for i in 0..<x.area { y.values[o * x.area + i] = bias[o] } }
        }
        guard depth > 0 else { return y }
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(outputs), blasint(x.area), blasint(depth), 1, weight,
            blasint(depth), patches, blasint(x.area), 1, &y.values, blasint(x.area))
        return y
    }
}
