// Images in memory, a byte a value: CIFAR-10 takes 154 MB. Read whole, checked whole, before the first step.

import ImageFormats
import PixelCNNModel
import Support

/// Images of one size.
package struct ImageSet: Sendable, Equatable {
    /// C: 1 or 3.
    package let channels: Int
    /// H.
    package let height: Int
    /// W.
    package let width: Int
    /// Levels 0 … 255, or, once quantised, values 0 … d − 1: (N, C, H, W).
    package private(set) var values: [UInt8]
    /// The classes of the images, where they were asked for.
    package var labels: Labels?

    /// C · H · W.
    package var imageSize: Int { channels * height * width }
    /// N.
    package var count: Int { values.count / imageSize }
    /// C × H × W, for people.
    package var shape: String { "\(channels) × \(height) × \(width)" }

    /// Images as given; `values` are (N, C, H, W).
    package init(channels: Int, height: Int, width: Int, values: [UInt8]) {
        precondition(channels * height * width > 0 && values.count % (channels * height * width) == 0, "whole images")
        (self.channels, self.height, self.width, self.values) = (channels, height, width, values)
    }

    /// Values 0 … `colors` − 1 for levels 0 … 255, as pictures of such values show them: each the nearest.
    package func quantised(to colors: Int) -> ImageSet {
        let levels = Levels(colors: colors)
        let table = (0...255).map { UInt8(levels.value(of: UInt8($0))) }
        var set = self
        for i in set.values.indices { set.values[i] = table[Int(set.values[i])] }
        return set
    }

    /// Whether the levels are rather a model's own values 0 … `colors` − 1, as `pixelcnn sample` writes them: read as
    /// levels 0 … 255 they are a picture that is all but black.
    package func looksLikeValues(of colors: Int) -> Bool {
        guard colors < 256, let most = values.max() else { return false }
        return 0 < most && most < colors
    }

    /// SHA-256 of the values: what a run is on.
    func sha256() -> String { values.withUnsafeBytes { SHA256.hexadecimal(of: $0) } }

    /// The images at `indices`, those that `flipped` names mirrored left to right.
    func batch(_ indices: some Collection<Int>, flipped: (Int) -> Bool = { _ in false }) -> [UInt16] {
        var batch: [UInt16] = []
        batch.reserveCapacity(indices.count * imageSize)
        for index in indices {
            let image = values[index * imageSize..<(index + 1) * imageSize]
            if flipped(index) {
                for row in stride(from: image.startIndex, to: image.endIndex, by: width) {
                    for column in (0..<width).reversed() { batch.append(UInt16(image[row + column])) }
                }
            } else {
                for value in image { batch.append(UInt16(value)) }
            }
        }
        return batch
    }

    /// The classes of the images at `indices`, of a set that has any.
    func labels(_ indices: some Collection<Int>) -> [Int] {
        guard let labels else { preconditionFailure("the set has no classes") }
        return indices.map { labels.values[$0] }
    }

    /// Numbers the classes as a conditional model has them.
    /// - Throws: ``DataError`` where it lacks one of them.
    package mutating func number(as model: Model) throws(DataError) {
        labels = try labels?.numbered(as: model.labelNames, classes: model.hyperparameters.labels)
    }
}
