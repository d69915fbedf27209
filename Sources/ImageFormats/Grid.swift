// Lays images of the network out as one picture, row by row and without gaps, and reads a picture back as one image.
// The network's order is planar, (channel, row, column); a picture's is interleaved. One pass over the values.

/// Conversion between images of the network and pictures.
package enum Grid {
    /// Shows `count` images in a grid, in reading order. Cells left over in the last row are black.
    ///
    /// - Parameters:
    ///   - values: 0 … `colors` − 1, in order (count, channels, height, width).
    ///   - columns: images in a row, at least 1 and in effect at most `count`; ⌈√count⌉ where nil.
    /// - Throws: `GridError` where a PNG cannot show such images (use NPY), or the numbers do not fit together.
    package static func picture(
        values: [UInt16], count: Int, channels: Int, height: Int, width: Int, colors: Int, columns: Int? = nil
    ) throws(GridError) -> Picture {
        guard channels == 1 || channels == 3 else { throw .channels(channels) }
        guard Levels.range.contains(colors) else { throw .colors(colors) }
        guard count > 0, height > 0, width > 0 else { throw .empty(count: count, height: height, width: width) }
        if let columns, columns < 1 { throw .columns(columns) }
        let shape = [count, channels, height, width]
        guard product(of: shape) == values.count else { throw .valueCount(shape: shape, found: values.count) }

        let columns = min(columns ?? defaultColumns(for: count), count)
        let rows = (count - 1) / columns + 1
        guard let size = product(of: [rows, columns, channels, height, width]) else {
            throw .tooLarge(columns: columns, rows: rows)
        }
        let levels = Levels(colors: colors)
        var pixels = [UInt8](repeating: 0, count: size)
        var next = 0  // in `values`
        for image in 0..<count {
            let (top, left) = (image / columns * height, image % columns * width)
            for channel in 0..<channels {
                for row in 0..<height {
                    var pixel = ((top + row) * columns * width + left) * channels + channel
                    for column in 0..<width {
                        guard values[next] < colors else {
                            throw .valueOutOfRange(
                                value: values[next], index: [image, channel, row, column], colors: colors)
                        }
                        pixels[pixel] = levels.level(of: values[next])
                        pixel += channels
                        next += 1
                    }
                }
            }
        }
        return Picture(width: columns * width, height: rows * height, channels: channels, pixels: pixels)
    }

    /// Reads `picture` as one image: values 0 … `colors` − 1, in order (channels, height, width).
    ///
    /// A level between those of two values becomes the nearer. A gray picture is an RGB one whose channels are equal,
    /// and an RGB picture without colour is accepted as gray.
    ///
    /// - Throws: `GridError` where gray is needed and the picture has colour, or a PNG cannot show such images.
    package static func values(of picture: Picture, channels: Int, colors: Int) throws(GridError) -> [UInt16] {
        guard channels == 1 || channels == 3 else { throw .channels(channels) }
        guard Levels.range.contains(colors) else { throw .colors(colors) }
        guard picture.channels == 1 || picture.channels == 3 else { throw .pixelCount(picture) }
        let (stride, pixels) = (picture.channels, picture.pixels)
        guard let area = product(of: [picture.height, picture.width]), product(of: [area, stride]) == pixels.count
        else { throw .pixelCount(picture) }
        if stride > channels {
            for pixel in 0..<area
            where pixels[pixel * 3] != pixels[pixel * 3 + 1] || pixels[pixel * 3] != pixels[pixel * 3 + 2] {
                throw .colored(row: pixel / picture.width, column: pixel % picture.width)
            }
        }

        let levels = Levels(colors: colors)
        var values: [UInt16] = []
        values.reserveCapacity(area * channels)
        for channel in 0..<channels {
            let offset = min(channel, stride - 1)
            for pixel in 0..<area { values.append(levels.value(of: pixels[pixel * stride + offset])) }
        }
        return values
    }

    /// ⌈√count⌉, exactly.
    private static func defaultColumns(for count: Int) -> Int {
        var columns = Int(Double(count).squareRoot())
        // The square root of a large number may be off by one in either direction.
        while columns > 1, (count - 1) / (columns - 1) < columns - 1 { columns -= 1 }
        while (count - 1) / columns >= columns { columns += 1 }
        return columns
    }

    /// The product of sizes, nil where one is negative or the product overflows.
    private static func product(of sizes: [Int]) -> Int? {
        var total = 1
        for size in sizes {
            guard size >= 0 else { return nil }
            let (product, overflow) = total.multipliedReportingOverflow(by: size)
            guard !overflow else { return nil }
            total = product
        }
        return total
    }
}

/// Why values and a picture could not be converted into one another.
package enum GridError: Error, Sendable, Equatable {
    /// A picture has 1 or 3 channels.
    case channels(Int)
    /// A picture shows 2 to 256 values of a channel.
    case colors(Int)
    /// Fewer than one column.
    case columns(Int)
    /// No images, or images without pixels.
    case empty(count: Int, height: Int, width: Int)
    /// The number of values is not that of the shape, (count, channels, height, width).
    case valueCount(shape: [Int], found: Int)
    /// The first value that is not below the number of colours, with its index (image, channel, row, column).
    case valueOutOfRange(value: UInt16, index: [Int], colors: Int)
    /// The grid has more pixels than can be addressed.
    case tooLarge(columns: Int, rows: Int)
    /// Gray was requested, and the picture has a coloured pixel; the first such.
    case colored(row: Int, column: Int)
    /// The picture's pixels are not as many as its size says.
    case pixelCount(Picture)
}

extension GridError: CustomStringConvertible {
    /// One line that says what was found, what is allowed and, where it is not plain, what to do.
    package var description: String {
        switch self {
        case .channels(let channels):
            "a PNG holds 1 or 3 channels, the images have \(channels): use NPY"
        case .colors(let colors):
            "a PNG shows 2 to 256 values of a channel, the images have \(colors): use NPY"
        case .columns(let columns):
            "a grid of \(columns) columns; at least 1 is needed"
        case .empty(let count, let height, let width):
            "a grid of \(count) images of \(height) × \(width) (height × width) has no pixels"
        case .valueCount(let shape, let found):
            "\(found) values for images of shape \(shape) (count, channels, height, width)"
        case .valueOutOfRange(let value, let index, let colors):
            "value \(value) at \(index) (image, channel, row, column); allowed 0 … \(colors - 1)"
        case .tooLarge(let columns, let rows):
            "a grid of \(columns) columns and \(rows) rows is too large to address"
        case .colored(let row, let column):
            "the picture has colour, at row \(row), column \(column); gray is needed"
        case .pixelCount(let picture):
            "\(picture.pixels.count) bytes for a picture of \(picture.width) × \(picture.height) pixels"
                + " and \(picture.channels) channels"
        }
    }
}
