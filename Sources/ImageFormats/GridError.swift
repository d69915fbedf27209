// Why images cannot be shown as a picture, or a picture cannot be taken as an image of the network.

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
    /// The picture's channels are not those asked for.
    case channelMismatch(expected: Int, found: Int)
    /// Gray was asked for, and the picture has a coloured pixel; the first such.
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
        case .channelMismatch(let expected, let found):
            "the picture is \(Self.kind(of: found)); \(Self.kind(of: expected)) is needed"
        case .colored(let row, let column):
            "the picture has colour, at row \(row), column \(column); gray is needed"
        case .pixelCount(let picture):
            "\(picture.pixels.count) bytes for a picture of \(picture.width) × \(picture.height) pixels"
                + " and \(picture.channels) channels"
        }
    }

    private static func kind(of channels: Int) -> String {
        switch channels {
        case 1: "gray"
        case 3: "RGB"
        default: "\(channels)-channel"
        }
    }
}
