// What happens to a training image on its way into a step: it is moved, mirrored, and its levels become pixels that are
// drawn. All of it is a function of the run's seed, the epoch and the image's number, so a run that goes on sees the
// images that it would have seen.

import PixelCNNKernels

/// What an epoch changes of its images.
struct Augmentation {
    private let width: Int
    private let height: Int
    private let shift: Int
    private let shifts: UInt64  // key
    private let flips: [Bool]
    private let levels: Binarization?

    /// - Parameter images: as the run has them: levels where they are to be binarised, else values.
    init(_ settings: TrainingSettings, epoch: Int, images: ImageSet) {
        (width, height, shift) = (images.width, images.height, settings.shift)
        shifts = TrainingGenerator.key(seed: settings.seed, .shifts, epoch: epoch)
        var generator = TrainingGenerator(seed: settings.seed, .flips, epoch: epoch)
        flips = settings.flips ? (0..<images.count).map { _ in generator.next() >> 63 == 1 } : []
        levels = settings.binarizes ? Binarization(seed: settings.seed, .levels, epoch: epoch) : nil
    }

    /// An image (C, H, W), the one with this number, as the epoch has it.
    func callAsFunction(_ image: [UInt16], _ index: Int) -> [UInt16] {
        var image = image
        if shift > 0 {
            let words = Philox(seed: shifts, index: UInt64(index)).words(at: 0)
            // One of 2 · shift + 1 with the same probability to within 2⁻²⁶.
            func offset(_ word: UInt32) -> Int { Int(word.multipliedFullWidth(by: UInt32(2 * shift + 1)).high) - shift }
            image = moved(image, rows: offset(words[0]), columns: offset(words[1]))
        }
        if !flips.isEmpty, flips[index] {
            for row in stride(from: 0, to: image.count, by: width) { image[row..<row + width].reverse() }
        }
        return levels?(image, index) ?? image
    }

    /// The image, `rows` further down and `columns` further right. What comes in at an edge repeats it.
    private func moved(_ image: [UInt16], rows: Int, columns: Int) -> [UInt16] {
        image.indices.map { place in
            let (line, column) = place.quotientAndRemainder(dividingBy: width)
            let (channel, row) = line.quotientAndRemainder(dividingBy: height)
            let (r, c) = (min(max(row - rows, 0), height - 1), min(max(column - columns, 0), width - 1))
            return image[(channel * height + r) * width + c]
        }
    }
}

/// Pixels drawn from levels: 1 with the probability level / 255.
struct Binarization {
    private let key: UInt64

    /// - Parameter epoch: of images that are drawn anew in each.
    init(seed: UInt64, _ purpose: TrainingGenerator.Purpose, epoch: Int = 0) {
        key = TrainingGenerator.key(seed: seed, purpose, epoch: epoch)
    }

    /// The pixels of one image, the one with this number.
    func callAsFunction(_ levels: [UInt16], _ index: Int) -> [UInt16] {
        let random = Philox(seed: key, index: UInt64(index))
        var pixels = levels
        for start in stride(from: 0, to: levels.count, by: 4) {
            let words = random.words(at: UInt64(start / 4))
            for i in 0..<min(4, levels.count - start) {
                pixels[start + i] = UInt64(words[i]) * 255 < UInt64(levels[start + i]) << 32 ? 1 : 0
            }
        }
        return pixels
    }
}

extension ImageSet {
    /// Held-out images of black and white pixels, drawn once: levels are the probabilities of white. The same seed
    /// gives the same pixels.
    ///
    /// - Parameter path: where the images come from, for errors.
    /// - Throws: ``DataError`` where they have no levels.
    package func binarized(seed: UInt64, _ path: String) throws(DataError) -> ImageSet {
        try checkLevels(path)
        let binarization = Binarization(seed: seed, .heldOutLevels)
        return replacing(batch(0..<count) { binarization($0, $1) }.map(UInt8.init))
    }
}
