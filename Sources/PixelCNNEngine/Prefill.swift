// Rows whose pixels are all given. Nothing of them is drawn, so later rows need only what the vertical stack keeps of
// them: in_conv of the whole row as one batch of columns, and the vertical stack without its share of the horizontal
// one. No horizontal stack, no output layers: a good half of the multiply-adds of drawing the row, in full tiles.

import PixelCNNKernels

/// `in_conv` of a whole row, with scratch memory for one row. Owned by one thread.
final class Prefill {
    private let engine: Engine
    private var widest = 0
    private var patches = FloatBuffer(count: 0)  // (W, context + C)
    private var sums = FloatBuffer(count: 0)  // (W, g in whole vectors)

    init(engine: Engine) {
        self.engine = engine
    }

    /// Makes room for rows of `width` columns, so that ``compute(_:)`` allocates nothing.
    func reserve(width: Int) {
        guard width > widest else { return }
        widest = width
        patches = FloatBuffer(count: width * engine.sizes.patchCount)
        sums = FloatBuffer(count: width * engine.sizes.group.roundedUpToLanes)
    }

    /// h = v = relu(in_conv(x)) of the image's current row, kept as the vertical stack's first input: the same sums, in
    /// the same order, as pixel by pixel.
    func compute(_ image: ImageInFlight) {
        let sizes = engine.sizes
        let (channels, group) = (sizes.channels, sizes.group)
        let pixels = image.cache.pixels(row: image.row, column: 0)
        for column in 0..<image.width {
            for c in 0..<channels {
                pixels[column * channels + c] = engine.normalizedValues[image.value(channel: c, column: column)]
            }
        }
        let patchRows = Rows(base: patches.base, stride: sizes.patchCount)
        for column in 0..<image.width {
            image.cache.gatherPatch(row: image.row, column: column, into: patchRows[column])
            patchRows[column].advanced(by: sizes.patchContext).update(from: pixels + column * channels, count: channels)
        }
        let features = image.cache.verticalInput(block: 0, row: image.row, column: 0)
        for c in 0..<channels {
            engine.inputGroup(
                c, of: patchRows, sum: Rows(base: sums.base, stride: group.roundedUpToLanes), into: features,
                count: image.width)
        }
    }
}

extension Engine {
    /// Colour group `c` of relu(in_conv(x)), for whole rows and for pixels: of the patch's context, and the pixel's
    /// channels before c. `features` are rows of F.
    func inputGroup(_ c: Int, of patches: Rows, sum: Rows, into features: Rows, count: Int) {
        sum.fill(count, with: weights.input.biases[c].base, length: sum.stride)
        kernels.accumulate(weights.input.groups[c], patches, into: sum, count: count)
        kernels.rectify(sum, into: features + c * sizes.group, channels: sizes.group, count: count)
    }
}
