// Writes PNG files. The same picture and texts give the same bytes: no time stamp, fixed compression level and filters.
// Cost is zlib's; sampled images are noisy and shrink little.

import CPNG

/// Reading and writing of PNG files in memory.
package enum PNG {
    /// Most pixels along one side that the format can express.
    static let sideLimit = 0x7FFF_FFFF

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
