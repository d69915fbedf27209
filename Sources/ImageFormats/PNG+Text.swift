// Reads a PNG's texts back without decoding the image.

extension PNG {
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
