// Reads and writes PNG files in memory, through libpng.
//
// Every kind that 8 bits per channel can hold without loss is read. The header and the amount of compressed data are
// weighed first, so a small file cannot ask for a large allocation: deflate expands at most 1032-fold. Samples are
// taken as stored, without gamma and colour profiles: the network learned from raw values. The same picture and texts
// give the same file: no time stamp, fixed compression level and filters. Cost is zlib's; sampled images are noisy and
// shrink little.

import CPNG

/// Reading and writing of PNG files in memory.
package enum PNG {
    /// Most pixels along one side that the format can express.
    static let sideLimit = 0x7FFF_FFFF

    /// Whether a file begins as a PNG does.
    package static func isBeginning(of bytes: [UInt8]) -> Bool { bytes.starts(with: PNGChunks.signature) }

    /// Encodes `picture` as gray or RGB of 8 bits.
    ///
    /// - Parameter text: becomes tEXt chunks, in this order, ahead of the image. Keys are 1 to 79 printable Latin-1
    ///   characters, without leading, trailing or double spaces; values are Latin-1 without NUL.
    /// - Throws: `PNGError.invalidPicture`, `.invalidText`, or `.unencodable` where memory runs out.
    package static func encode(
        _ picture: Picture, text: [(key: String, value: String)] = []
    ) throws(PNGError) -> [UInt8] {
        guard picture.isValid, let width = UInt32(exactly: picture.width), let height = UInt32(exactly: picture.height)
        else {
            throw .invalidPicture(
                width: picture.width, height: picture.height, channels: picture.channels, bytes: picture.pixels.count)
        }
        var packedText: [CChar] = []
        for (key, value) in text {
            guard let key = latin1(key), isKeyword(key), let value = latin1(value), !value.contains(0) else {
                throw .invalidText(key: key)
            }
            packedText += (key + [0] + value + [0]).map { CChar(bitPattern: $0) }
        }

        var message = [CChar](repeating: 0, count: Int(CPNG_ERROR_SIZE))
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        let status = cpng_encode(
            picture.pixels, width, height, Int32(picture.channels), packedText, text.count, &bytes, &count, &message)
        guard status == 0 else { throw .unencodable(string(message)) }
        defer { cpng_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    /// The checksum that closes a chunk.
    static func checksum(of bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBufferPointer { Int(cpng_crc32($0.baseAddress, $0.count)) }
    }

    /// The text in a C buffer, up to its NUL.
    static func string(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func latin1(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            guard let byte = UInt8(exactly: scalar.value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// Whether the format allows `key` as a keyword.
    private static func isKeyword(_ key: [UInt8]) -> Bool {
        let space = UInt8(ascii: " ")
        return (1...79).contains(key.count)
            && key.allSatisfy { (0x20...0x7E).contains($0) || $0 >= 0xA1 }
            && key.first != space && key.last != space
            && !zip(key, key.dropFirst()).contains { $0 == space && $1 == space }
    }

    // MARK: - Decoding

    /// The most pixels that `decode` accepts by default: 67 million.
    package static let defaultLimit = 1 << 26

    /// Decodes a PNG file.
    ///
    /// Palettes are expanded to RGB, and gray of 1, 2 and 4 bits to 8. Interlaced files are read. Alpha is dropped
    /// where every pixel is opaque.
    ///
    /// - Parameters:
    ///   - limit: the most pixels, width × height, that are accepted. Checked before anything is allocated.
    ///   - background: what lies behind pixels that are not opaque.
    /// - Throws: `PNGError` for files that are damaged, larger than `limit`, of 16 bits, or without a background not
    ///   fully opaque.
    package static func decode(
        _ bytes: [UInt8], limit: Int = defaultLimit, background: Background? = nil
    ) throws(PNGError) -> Picture {
        let chunks = try PNGChunks(parsing: bytes)
        let header = chunks.header
        try check(header, limit: limit, compressedBytes: chunks.compressedBytes)

        let palette = try header.isIndexed ? PNGPalette(of: bytes, chunks: chunks) : nil
        let channels = header.isColored ? 3 : 1
        let hasAlpha = palette == nil && (header.hasAlpha || chunks.transparency != nil)
        let samples = palette == nil ? channels + (hasAlpha ? 1 : 0) : 1
        let (rowBytes, overflow) = header.width.multipliedReportingOverflow(by: samples)
        let (size, overflow2) = rowBytes.multipliedReportingOverflow(by: header.height)
        guard !overflow, !overflow2 else {
            throw .tooLarge(width: header.width, height: header.height, limit: limit)
        }

        var message = [CChar](repeating: 0, count: Int(CPNG_ERROR_SIZE))
        var pixels = [UInt8](repeating: 0, count: size)
        let status = cpng_decode(bytes, bytes.count, &pixels, UInt32(header.height), rowBytes, &message)
        guard status == 0 else { throw .undecodable(string(message)) }
        if let background, hasAlpha || chunks.transparency != nil {
            if let palette { pixels = try palette.colors(of: pixels, width: header.width, withAlpha: true) }
            return background.behind(
                pixels, width: header.width, height: header.height, channels: palette == nil ? channels : 3)
        }
        if let palette {
            pixels = try palette.colors(of: pixels, width: header.width)
        } else if hasAlpha {
            try dropAlpha(of: &pixels, width: header.width, channels: channels)
        }
        return Picture(width: header.width, height: header.height, channels: channels, pixels: pixels)
    }

    /// The width and height that a PNG file says it has; nothing is decoded.
    ///
    /// - Throws: `PNGError` for files that are damaged.
    package static func size(of bytes: [UInt8]) throws(PNGError) -> (width: Int, height: Int) {
        let header = try PNGChunks(parsing: bytes).header
        return (header.width, header.height)
    }

    private static func check(
        _ header: PNGChunks.Header, limit: Int, compressedBytes: Int
    ) throws(PNGError) {
        guard header.bitDepth != 16 else { throw .sixteenBits }
        let (area, overflow) = header.width.multipliedReportingOverflow(by: header.height)
        guard !overflow, area <= limit else {
            throw .tooLarge(width: header.width, height: header.height, limit: limit)
        }
        // The image uncompressed, without the filter byte that opens each row.
        let (bits, overflow2) = area.multipliedReportingOverflow(by: header.bitDepth * (header.samples ?? 1))
        guard !overflow2, bits / 8 / 1032 <= compressedBytes else {
            throw .implausibleSize(
                width: header.width, height: header.height, compressedBytes: compressedBytes)
        }
    }

    /// Removes the last of `channels` + 1 samples of each pixel, in place, if it is 255 everywhere.
    private static func dropAlpha(of pixels: inout [UInt8], width: Int, channels: Int) throws(PNGError) {
        let count = pixels.count / (channels + 1)
        for pixel in 0..<count {
            let source = pixel * (channels + 1)
            let alpha = pixels[source + channels]
            guard alpha == 255 else {
                throw .transparent(row: pixel / width, column: pixel % width, alpha: alpha)
            }
            for channel in 0..<channels { pixels[pixel * channels + channel] = pixels[source + channel] }
        }
        pixels.removeLast(count)
    }

    // MARK: - Texts

    /// The tEXt chunks of a PNG file, in order, wherever they stand. Compressed and international texts are left out.
    ///
    /// - Throws: `PNGError` for files whose chunks are damaged or cut short.
    package static func text(of bytes: [UInt8]) throws(PNGError) -> [(key: String, value: String)] {
        var texts: [(key: String, value: String)] = []
        for range in try PNGChunks(parsing: bytes).texts {
            let contents = bytes[range]
            let end = contents.firstIndex(of: 0)
            guard let end, end > contents.startIndex else { throw .undecodable("tEXt chunk without a key") }
            texts.append((key: latin1(contents[..<end]), value: latin1(contents[(end + 1)...])))
        }
        return texts
    }

    private static func latin1(_ bytes: ArraySlice<UInt8>) -> String {
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }
}

extension Picture {
    /// Whether size, channels and number of pixels fit together and can be a PNG.
    fileprivate var isValid: Bool {
        guard channels == 1 || channels == 3, (1...PNG.sideLimit).contains(width), (1...PNG.sideLimit).contains(height)
        else { return false }
        let (area, overflow) = width.multipliedReportingOverflow(by: height)
        let (bytes, overflow2) = area.multipliedReportingOverflow(by: channels)
        return !overflow && !overflow2 && bytes == pixels.count
    }
}

/// The colours of a palette image. Indices are looked up here and not by libpng, which shows an index beyond the
/// palette as black and cannot say where it stands.
private struct PNGPalette {
    /// Red, green and blue of each entry: (entries, 3).
    private let colors: [UInt8]
    /// Alpha of the first entries; the others are opaque.
    private let alphas: [UInt8]

    /// Reads the palette of a file with these chunks.
    init(of file: [UInt8], chunks: PNGChunks) throws(PNGError) {
        guard let contents = chunks.palette else { throw .missingChunk("PLTE") }
        colors = Array(file[contents])
        alphas = chunks.transparency.map { Array(file[$0]) } ?? []
    }

    /// The colours of a picture of palette indices, (height, width): (height, width, 3), or with alpha 4.
    func colors(of indices: [UInt8], width: Int, withAlpha: Bool = false) throws(PNGError) -> [UInt8] {
        let entries = colors.count / 3
        var result: [UInt8] = []
        result.reserveCapacity((withAlpha ? 4 : 3) * indices.count)
        for (pixel, index) in indices.enumerated() {
            let entry = Int(index)
            guard entry < entries else {
                throw .paletteIndex(index, row: pixel / width, column: pixel % width, entries: entries)
            }
            let alpha = entry < alphas.count ? alphas[entry] : 255
            guard withAlpha || alpha == 255 else {
                throw .transparent(row: pixel / width, column: pixel % width, alpha: alpha)
            }
            result.append(contentsOf: colors[3 * entry..<3 * entry + 3])
            if withAlpha { result.append(alpha) }
        }
        return result
    }
}

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
