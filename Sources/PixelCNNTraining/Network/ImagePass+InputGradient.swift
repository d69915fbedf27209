// The last step back, from the features of `in_conv` to the image. Training has no use for it; a receptive field has,
// once for one image, so these are plain loops over the weights as they lie in the flat parameters.

import PixelCNNModel

extension ImagePass {
    /// The gradient of one logit of the last image by the image's values, as they are before they are brought to −1 …
    /// 1: (C, H, W). Spends what `forward` left.
    func inputGradient(channel: Int, value: Int, row: Int, column: Int) -> [Float] {
        for row in 0..<sizes.height {
            buffers.logits.row(row).update(repeating: 0, count: sizes.width * sizes.logits)
        }
        buffers.logits.row(row)[column * sizes.logits + channel * sizes.colors + value] = 1
        let weightGradient = UnsafeMutablePointer<Float>.allocate(capacity: layout.count)
        weightGradient.initialize(repeating: 0, count: layout.count)
        defer { weightGradient.deallocate() }
        backward(into: weightGradient)  // leaves the gradient of in_conv's sums in dV
        return throughInputLayer()
    }

    /// Each patch's gradient, added up where the patches came from.
    private func throughInputLayer() -> [Float] {
        let (height, width, channels) = (sizes.height, sizes.width, sizes.channels)
        let (kernel, centre) = (Hyperparameters.inputKernelSize, Float(sizes.colors - 1) / 2)
        var gradient = [Float](repeating: 0, count: channels * sizes.positions)
        for row in 0..<height {
            for column in 0..<width {
                let features = buffers.dV.row(row) + column * buffers.dV.stride
                for (c, slice) in layout.input.enumerated() {
                    for k in 0..<slice.inputs {
                        let (tap, channel) = (k / channels, k % channels)
                        let (r, x) = (row + tap / kernel - kernel / 2, column + tap % kernel - kernel / 2)
                        guard r >= 0, x >= 0, x < width else { continue }
                        let weights = flat + slice.offset + k * slice.stride
                        var sum: Float = 0
                        for lane in 0..<slice.lanes { sum += weights[lane] * features[c * sizes.group + lane] }
                        gradient[(channel * height + r) * width + x] += sum / centre
                    }
                }
            }
        }
        return gradient
    }
}
