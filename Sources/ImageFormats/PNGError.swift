// Every way in which a PNG file can be wrong or of no use here, and every picture that cannot become one.

/// Why a PNG could not be read or written.
package enum PNGError: Error, Sendable, Equatable {
    /// The first bytes are not those of a PNG file.
    case notPNG
    /// The file ends too early: before or inside the thing named.
    case truncated(String)
    /// A chunk's checksum does not match its contents.
    case damagedChunk(String)
    /// A chunk that must be there is not, or stands where it may not.
    case missingChunk(String)
    /// The header holds a value that the format does not allow.
    case invalidHeader(field: String, value: Int, allowed: String)
    /// The header declares more pixels than the limit.
    case tooLarge(width: Int, height: Int, limit: Int)
    /// The header declares more pixels than the compressed data could ever hold.
    case implausibleSize(width: Int, height: Int, compressedBytes: Int)
    /// Samples of 16 bits.
    case sixteenBits
    /// A pixel is not fully opaque; the first such, with its alpha (255 is opaque).
    case transparent(row: Int, column: Int, alpha: UInt8)
    /// A pixel's palette index is beyond the palette; the first such.
    case paletteIndex(UInt8, row: Int, column: Int, entries: Int)
    /// libpng found an error, in its words.
    case undecodable(String)
    /// A picture whose size, channels and number of pixels do not fit together.
    case invalidPicture(width: Int, height: Int, channels: Int, bytes: Int)
    /// A text that a tEXt chunk cannot carry.
    case invalidText(key: String)
    /// libpng could not write the file, in its words.
    case unencodable(String)
}

extension PNGError: CustomStringConvertible {
    /// One line that says what was found, what is allowed and, where it is not plain, what to do.
    package var description: String {
        switch self {
        case .notPNG:
            "not a PNG file: it does not begin with the PNG signature"
        case .truncated(let place):
            "PNG file ends \(place): it is cut short; copy or download it again"
        case .damagedChunk(let name):
            "damaged PNG: the checksum of its \(name) chunk does not match"
        case .missingChunk(let name):
            "damaged PNG: no \(name) chunk where one must be"
        case .invalidHeader(let field, let value, let allowed):
            "invalid PNG header: \(field) \(value); allowed \(allowed)"
        case .tooLarge(let width, let height, let limit):
            "PNG of \(width) × \(height) pixels; at most \(limit) pixels are allowed"
        case .implausibleSize(let width, let height, let compressedBytes):
            "PNG claims \(width) × \(height) pixels, which its \(compressedBytes) bytes of image data cannot hold"
        case .sixteenBits:
            "16-bit PNG would lose precision: save as 8-bit"
        case .transparent(let row, let column, let alpha):
            "PNG is transparent at row \(row), column \(column) (alpha \(alpha), opaque is 255): save it without alpha"
        case .paletteIndex(let index, let row, let column, let entries):
            "damaged PNG: palette index \(index) at row \(row), column \(column); the palette has \(entries) entries"
        case .undecodable(let reason):
            "damaged PNG: \(reason)"
        case .invalidPicture(let width, let height, let channels, let bytes):
            "a picture of \(width) × \(height) pixels, \(channels) channels and \(bytes) bytes cannot be a PNG"
        case .invalidText(let key):
            "PNG text '\(key)' must have a Latin-1 key of 1 to 79 printable characters and a Latin-1 value"
        case .unencodable(let reason):
            "cannot write PNG: \(reason)"
        }
    }
}
