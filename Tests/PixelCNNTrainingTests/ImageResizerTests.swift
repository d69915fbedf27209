// Resized images against means computed here from what a new pixel covers. cairo's arithmetic is in steps of a level or
// two.

import ImageImport
import TestSupport
import Testing

@testable import PixelCNNTraining

@Suite struct ImageResizerTests {
    private func noise(_ channels: Int, _ height: Int, _ width: Int, count: Int = 2) -> ImageSet {
        var generator = SplitMix(seed: 5)
        let values = (0..<count * channels * height * width).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return ImageSet(channels: channels, height: height, width: width, levels: values)
    }

    /// The mean over the part of an image, (1, height, width), between two rows and two columns, fractions counted.
    private func mean(
        _ image: [UInt16], width: Int, rows: ClosedRange<Double>, columns: ClosedRange<Double>
    ) -> Double {
        func share(_ i: Int, _ range: ClosedRange<Double>) -> Double {
            max(0, min(Double(i + 1), range.upperBound) - max(Double(i), range.lowerBound))
        }
        var (sum, area) = (0.0, 0.0)
        for (place, level) in image.enumerated() {
            let weight = share(place / width, rows) * share(place % width, columns)
            (sum, area) = (sum + weight * Double(level), area + weight)
        }
        return sum / area
    }

    /// Whole and broken factors; a tall and a wide image, of which the middle stays.
    @Test(arguments: [
        (3, 16, 16, 4, 4), (1, 16, 16, 8, 8), (3, 15, 20, 5, 5), (3, 30, 12, 6, 6), (1, 24, 36, 7, 9),
        (3, 40, 40, 16, 16),
    ])
    func eachPixelIsTheMeanOfWhatItCovers(_ channels: Int, _ height: Int, _ width: Int, _ toHeight: Int, _ toWidth: Int)
        throws
    {
        let images = noise(channels, height, width)
        let size = ImageSize(height: toHeight, width: toWidth)
        let resized = try #require(images.resized(to: size))
        #expect(resized.shape == "\(channels) × \(toHeight) × \(toWidth)" && resized.count == images.count)
        let covered = min(Double(height) / Double(toHeight), Double(width) / Double(toWidth))
        let (top, left) = (
            (Double(height) - covered * Double(toHeight)) / 2, (Double(width) - covered * Double(toWidth)) / 2
        )
        // A whole factor has whole pixels to add; otherwise cairo places the box on a grid of sixteenths or so.
        let tolerance = covered == covered.rounded() && top == top.rounded() && left == left.rounded() ? 1.01 : 4
        for (place, found) in resized.values[0..<resized.values.count].enumerated() {
            let plane = place / (toHeight * toWidth)
            let (row, column) = (Double(place / toWidth % toHeight), Double(place % toWidth))
            let expected = mean(
                images.values[plane * height * width..<(plane + 1) * height * width], width: width,
                rows: top + covered * row...top + covered * (row + 1),
                columns: left + covered * column...left + covered * (column + 1))
            #expect(abs(Double(found) - expected) <= tolerance, "\(plane) \(row) \(column)")
        }
    }

    @Test func imagesOfTheRightSizeStayAsTheyAre() {
        let images = noise(3, 5, 7)
        #expect(images.resized(to: ImageSize(height: 5, width: 7)) == images)
    }

    @Test func aSmoothImageGrowsSmoothly() throws {
        let ramp = ImageSet(channels: 1, height: 1, width: 8, levels: (0..<8).map { UInt8($0 * 32) })
        let grown = try #require(ramp.resized(to: ImageSize(height: 4, width: 32))).values[0..<32]
        for (column, level) in grown.enumerated() {
            let expected = min(max((Double(column) + 0.5) / 4 - 0.5, 0), 7) * 32
            #expect(abs(Double(level) - expected) <= 2)
        }
    }

    @Test func sidesBeyondCairosAreRefused() {
        let long = ImageSet(channels: 1, height: 1, width: 40_000, levels: [UInt8](repeating: 9, count: 40_000))
        #expect(long.resized(to: ImageSize(height: 1, width: 100)) == nil)
    }
}
