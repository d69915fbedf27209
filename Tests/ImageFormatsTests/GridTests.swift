// Images land in the right cells, and pictures come back as images.

import Testing

@testable import ImageFormats

@Suite struct GridTests {
    /// `count` images whose values tell image, channel, row and column apart.
    static func values(count: Int, channels: Int, height: Int, width: Int, colors: Int = 256) -> [UInt16] {
        (0..<count * channels * height * width).map { UInt16(($0 * 37 + $0 / 7) % colors) }
    }

    @Test(arguments: [1, 3], [nil, 1, 2, 3, 5, 100])
    func placesEveryValue(channels: Int, columns: Int?) throws {
        let (count, height, width) = (5, 2, 3)
        let values = Self.values(count: count, channels: channels, height: height, width: width)
        let picture = try Grid.picture(
            values: values, count: count, channels: channels, height: height, width: width, colors: 256,
            columns: columns)
        let across = min(columns ?? 3, count)
        let down = (count + across - 1) / across
        #expect(picture.width == across * width)
        #expect(picture.height == down * height)
        #expect(picture.channels == channels)
        var expected = [UInt8](repeating: 0, count: across * down * channels * height * width)
        for y in 0..<down * height {
            for x in 0..<across * width {
                let image = y / height * across + x / width
                guard image < count else { continue }
                for channel in 0..<channels {
                    let value = values[((image * channels + channel) * height + y % height) * width + x % width]
                    expected[(y * across * width + x) * channels + channel] = UInt8(value)
                }
            }
        }
        #expect(picture.pixels == expected)
    }

    @Test func choosesAsManyColumnsAsTheSquareRootRoundedUp() throws {
        for (count, columns) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (9, 3), (10, 4), (64, 8), (65, 9)] {
            let picture = try Grid.picture(
                values: .init(repeating: 1, count: count), count: count, channels: 1, height: 1, width: 1, colors: 2)
            #expect(picture.width == columns)
            #expect(picture.height == (count + columns - 1) / columns)
            #expect(picture.pixels.filter { $0 == 255 }.count == count)
            #expect(picture.pixels.suffix(picture.pixels.count - count).allSatisfy { $0 == 0 })
        }
    }

    @Test func showsFewColorsOverTheWholeRangeOfLevels() throws {
        let picture = try Grid.picture(
            values: [0, 1, 2, 3], count: 1, channels: 1, height: 2, width: 2, colors: 4)
        #expect(picture.pixels == [0, 85, 170, 255])
    }

    @Test(arguments: [1, 3], [2, 4, 100, 256])
    func returnsTheImageOfAPicture(channels: Int, colors: Int) throws {
        let values = Self.values(count: 1, channels: channels, height: 4, width: 5, colors: colors)
        let picture = try Grid.picture(
            values: values, count: 1, channels: channels, height: 4, width: 5, colors: colors)
        #expect(try Grid.values(of: picture, channels: channels, colors: colors) == values)
    }

    @Test func acceptsRGBWithoutColorAsGray() throws {
        let picture = Picture(width: 2, height: 1, channels: 3, pixels: [7, 7, 7, 200, 200, 200])
        #expect(try Grid.values(of: picture, channels: 1, colors: 256) == [7, 200])
    }

    @Test func refusesColorWhereGrayIsNeeded() {
        let picture = Picture(width: 1, height: 2, channels: 3, pixels: [7, 7, 7, 7, 7, 8])
        #expect(throws: GridError.colored(row: 1, column: 0)) {
            try Grid.values(of: picture, channels: 1, colors: 256)
        }
    }

    @Test func takesGrayAsRGBWithEqualChannels() throws {
        let gray = Picture(width: 2, height: 1, channels: 1, pixels: [7, 200])
        let color = Picture(width: 2, height: 1, channels: 3, pixels: [7, 7, 7, 200, 200, 200])
        #expect(try Grid.values(of: gray, channels: 3, colors: 256) == [7, 200, 7, 200, 7, 200])
        for colors in [2, 17, 256] {
            let values = try Grid.values(of: gray, channels: 3, colors: colors)
            #expect(try values == Grid.values(of: color, channels: 3, colors: colors))
        }
    }

    @Test func refusesPicturesWithTheWrongNumberOfPixels() {
        let picture = Picture(width: Int.max, height: 2, channels: 1, pixels: [7])
        #expect(throws: GridError.pixelCount(picture)) { try Grid.values(of: picture, channels: 1, colors: 256) }
    }

    /// Arguments of `Grid.picture` and the error that they must give.
    struct Bad: Sendable {
        var count = 1
        var channels = 1
        var height = 1
        var width = 1
        var colors = 2
        var columns: Int?
        var values: [UInt16] = [1]
        var error: GridError
    }

    @Test(arguments: [
        Bad(channels: 2, error: .channels(2)),
        Bad(channels: 4, error: .channels(4)),
        Bad(channels: 0, error: .channels(0)),
        Bad(colors: 1, error: .colors(1)),
        Bad(colors: 257, error: .colors(257)),
        Bad(columns: 0, error: .columns(0)),
        Bad(columns: -1, error: .columns(-1)),
        Bad(count: 0, error: .empty(count: 0, height: 1, width: 1)),
        Bad(height: 0, error: .empty(count: 1, height: 0, width: 1)),
        Bad(width: -1, error: .empty(count: 1, height: 1, width: -1)),
        Bad(count: 2, error: .valueCount(shape: [2, 1, 1, 1], found: 1)),
        Bad(count: .max, height: 3, error: .valueCount(shape: [.max, 1, 3, 1], found: 1)),
        Bad(width: 3, values: [1, 0, 2], error: .valueOutOfRange(value: 2, index: [0, 0, 0, 2], colors: 2)),
    ])
    func refuses(_ bad: Bad) {
        #expect(throws: bad.error) {
            try Grid.picture(
                values: bad.values, count: bad.count, channels: bad.channels, height: bad.height, width: bad.width,
                colors: bad.colors, columns: bad.columns)
        }
    }

    @Test func saysToUseNPYWhereAPNGCannotShowTheImages() {
        #expect(GridError.channels(4).description.hasSuffix("use NPY"))
        #expect(GridError.colors(1024).description.hasSuffix("use NPY"))
    }
}
