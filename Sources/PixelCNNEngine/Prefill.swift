// Rows whose pixels are all given. Nothing of them is drawn, so later rows need only what the vertical stack keeps of
// them: the values and, where both stacks start from it, the first layer of the whole row as one batch of columns; and
// the vertical stack without its share of the horizontal one. No horizontal stack, no head: a good half of the
// multiply-adds of drawing the row, in full tiles.

import PixelCNNKernels

/// The first layer of a whole row, with scratch memory for one row. Owned by one thread.
final class Prefill {
    private let engine: Engine
    private var widest = 0
    private var patches = FloatBuffer(count: 0)  // (W, context + C)
    private var sums = FloatBuffer(count: 0)  // (W, pair)

    init(engine: Engine) {
        self.engine = engine
    }

    /// Makes room for rows of `width` columns, so that ``compute(_:)`` allocates nothing.
    func reserve(width: Int) {
        guard width > widest, engine.shape.sharesInput else { return }
        widest = width
        patches = FloatBuffer(count: width * engine.shape.patchCount)
        sums = FloatBuffer(count: width * engine.shape.pair)
    }

    /// The values of the image's current row, and the vertical stack's first input: the same sums, in the same order,
    /// as pixel by pixel.
    func compute(_ image: ImageInFlight) {
        let shape = engine.shape
        let values = image.cache.values(row: image.row, column: 0)
        for column in 0..<image.width {
            for c in 0..<shape.channels {
                engine.write(
                    image.value(channel: c, column: column), channel: c, to: values + column * shape.valueWidth)
            }
        }
        guard shape.sharesInput else { return }
        let patchRows = Rows(base: patches.base, stride: shape.patchCount)
        let sumRows = Rows(base: sums.base, stride: shape.pair)
        for column in 0..<image.width {
            image.cache.gatherPatch(row: image.row, column: column, into: patchRows[column])
            patchRows[column].advanced(by: shape.patchContext)
                .update(from: values + column * shape.channels, count: shape.channels)
        }
        let features = image.cache.ring(shape.blockRings[0].input, row: image.row, column: 0)
        let start = engine.weights.input.start.row(image.label)
        for c in 0..<shape.features.count {
            sumRows.fill(image.width, with: start + c * shape.pair, length: shape.pair)
            engine.inputGroup(c, of: patchRows, sum: sumRows, into: features, count: image.width)
        }
    }
}

extension Engine {
    /// Colour group `c` of the first layer, for whole rows and for pixels: of the patch's context, and the pixel's
    /// channels that the group sees. `sum` holds what the group starts from; `features` are rows of F.
    func inputGroup(_ c: Int, of patches: Rows, sum: Rows, into features: Rows, count: Int) {
        kernels.accumulate(weights.input.groups[c], patches, into: sum, count: count)
        activate(
            sum, weights.input.activation, into: features + shape.features.start(c), channels: shape.features.size(c),
            count: count)
    }
}
