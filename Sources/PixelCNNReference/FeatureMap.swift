// Channels-first activations of one image, as PyTorch has them, and the convolution on them. Plain on purpose: this
// layer is what the engine is held against.

import COpenBLAS

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

/// A convolution of stride 1, its kernel already masked.
struct Convolution {
    let weight: [Float]  // (outputs, inputs, kernelHeight, kernelWidth)
    let bias: [Float]?  // (outputs)
    let outputs: Int
    let inputs: Int
    let kernelHeight: Int
    let kernelWidth: Int
    /// Rows and columns of zeros above and left; output (r, c) sees inputs from (r − top, c − left) on.
    let top: Int
    let left: Int

    /// (inputs, H, W) → (outputs, H, W): the patches as a matrix, and one matrix product.
    func callAsFunction(_ x: FeatureMap) -> FeatureMap {
        let depth = inputs * kernelHeight * kernelWidth
        var patches = [Float](repeating: 0, count: depth * x.area)  // (depth, H·W)
        for k in 0..<depth {
            let (channel, tap) = (k / (kernelHeight * kernelWidth), k % (kernelHeight * kernelWidth))
            let (down, right) = (tap / kernelWidth - top, tap % kernelWidth - left)
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
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(outputs), blasint(x.area), blasint(depth), 1, weight,
            blasint(depth), patches, blasint(x.area), 1, &y.values, blasint(x.area))
        return y
    }
}
