// Which inputs a prediction depends on: from the gradient of one logit for a model's two stacks, as the original plots
// it; from the masks alone for a network that has no vertical stack, only masked k × k convolutions one after the
// other.

import PixelCNNModel

/// The pixels that the prediction of one colour channel at one pixel depends on.
package struct ReceptiveField: Sendable, Equatable {
    /// Rows of the image.
    package let height: Int
    /// Columns of the image.
    package let width: Int
    /// Whether an input channel at a pixel is seen, (C, H, W).
    package let seen: [Bool]

    /// Whether input channel `channel` at a pixel is seen.
    package func sees(channel: Int, row: Int, column: Int) -> Bool { seen[(channel * height + row) * width + column] }

    /// Gradients up to this count as none, as in the original.
    package static let threshold: Float = 1e-8

    init(height: Int, width: Int, seen: [Bool]) {
        self.height = height
        self.width = width
        self.seen = seen
    }

    /// What `model` sees, at its own image size: where a logit's gradient is above the threshold. The logit is that of
    /// value 0, and the image one of ones, as in the original; of class 0 where there are classes.
    ///
    /// - Parameters:
    ///   - channel: the colour channel that is predicted, below C.
    ///   - row: where, below H.
    ///   - column: where, below W.
    ///   - threshold: what a gradient must be above to count; with 0 every connection that a Float can show does.
    package init(of model: Model, channel: Int, row: Int, column: Int, threshold: Float = threshold) {
        let size = model.hyperparameters
        let gradient = Evaluator(model: model, threads: 1).inputGradient(channel: channel, row: row, column: column)
        (height, width, seen) = (size.height, size.width, gradient.map { abs($0) > threshold })
    }

    /// What a network of the same size and depth could see that has one stack of masked convolutions, as PixelCNNs had
    /// before the gated one: 7 × 7 of type A, then for each block k × k of type B, then 1 × 1 of type B. Parameters as
    /// above.
    ///
    /// Above the pixel such a stack reaches one row up for each step to the right, so a wedge to the right stays
    /// unseen, however deep it is: the blind spot.
    package init(ofMaskedConvolutionsLike size: Hyperparameters, channel: Int, row: Int, column: Int) {
        (height, width) = (size.height, size.width)
        var seen = [Bool](repeating: false, count: size.channels * height * width)
        for group in 0...channel { seen[(group * height + row) * width + column] = true }  // the output layers
        for _ in 0..<size.blocks { seen = Self.inputs(of: seen, size, reach: size.padding, seesOwn: true) }
        self.seen = Self.inputs(of: seen, size, reach: Hyperparameters.inputKernelSize / 2, seesOwn: false)
    }

    /// What a masked convolution reads for those of its outputs that are wanted, (C, H, W) both.
    private static func inputs(of wanted: [Bool], _ size: Hyperparameters, reach: Int, seesOwn: Bool) -> [Bool] {
        let (channels, height, width) = (size.channels, size.height, size.width)
        var read = [Bool](repeating: false, count: wanted.count)
        for (place, isWanted) in wanted.enumerated() where isWanted {
            let (group, row, column) = (place / (height * width), place / width % height, place % width)
            for j in 0..<channels {
                for r in max(0, row - reach)...row {
                    for c in max(0, column - reach)...min(width - 1, column + reach) {
                        let isBefore = r < row || c < column
                        let isOwn = r == row && c == column && (j < group || j == group && seesOwn)
                        if isBefore || isOwn { read[(j * height + r) * width + c] = true }
                    }
                }
            }
        }
        return read
    }
}

extension Evaluator {
    /// The gradient of the logit of value 0, for an image of ones, by the image's values: (C, H, W).
    func inputGradient(channel: Int, row: Int, column: Int) -> [Float] {
        let pass = passes[0]
        let ones = [UInt16](repeating: 1, count: pass.sizes.channels * pass.sizes.positions)
        _ = pass.forward(ones, label: 0, scale: 1)
        return pass.inputGradient(of: ones, channel: channel, value: 0, row: row, column: column)
    }
}
