// The chunks of a PNG file, found and checked before libpng sees any of it: signature, lengths, checksums, IHDR first
// and IEND last. One pass over the file; no copy, and no list that a file of many empty chunks could make long. Limits
// on untrusted sizes are decided from this alone.

/// What the chunks of a PNG file say, as far as it matters here.
struct PNGChunks {
    /// A chunk's four letters, and where its contents lie in the file.
    struct Chunk {
        var name: String
        var contents: Range<Int>

        /// Where the next chunk begins, after this one's checksum.
        var end: Int { contents.upperBound + 4 }
    }

    /// What IHDR says.
    struct Header {
        var width: Int
        var height: Int
        var bitDepth: Int
        var colorType: Int

        /// Samples of a pixel as stored: a palette's index counts as one. Nil for colour types that do not exist.
        var samples: Int? {
            switch colorType {
            case 0, 3: 1  // gray, palette
            case 2: 3  // RGB
            case 4: 2  // gray and alpha
            case 6: 4  // RGB and alpha
            default: nil
            }
        }

        /// Whether pixels are indices of a palette.
        var isIndexed: Bool { colorType == 3 }

        /// Whether a pixel is decoded to red, green and blue.
        var isColored: Bool { colorType & 2 != 0 }

        /// Whether each pixel is stored with its alpha.
        var hasAlpha: Bool { colorType & 4 != 0 }
    }

    let header: Header
    /// Bytes of the compressed image data, IDAT.
    private(set) var compressedBytes = 0
    /// Where the palette lies, PLTE; nil where there is none.
    private(set) var palette: Range<Int>?
    /// Where the transparent colours lie, tRNS; nil where there are none.
    private(set) var transparency: Range<Int>?
    /// Where the texts lie, tEXt, in order.
    private(set) var texts: [Range<Int>] = []

    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    init(parsing file: [UInt8]) throws(PNGError) {
        for (found, expected) in zip(file, Self.signature) where found != expected { throw .notPNG }
        guard !file.isEmpty else { throw .notPNG }
        guard file.count >= Self.signature.count else { throw .truncated("inside its signature") }

        var chunk = try Self.chunk(of: file, at: Self.signature.count)
        guard chunk.name == "IHDR", chunk.contents.count == 13 else { throw .missingChunk("IHDR") }
        header = try Self.header(of: file, at: chunk.contents.lowerBound)

        var hasImage = false
        // Bytes after IEND are ignored, as every reader does.
        while chunk.name != "IEND" {
            chunk = try Self.chunk(of: file, at: chunk.end)
            switch chunk.name {
            case "IDAT":
                hasImage = true
                compressedBytes += chunk.contents.count
            case "PLTE": palette = palette ?? chunk.contents
            case "tRNS": transparency = transparency ?? chunk.contents
            case "tEXt": texts.append(chunk.contents)
            default: break
            }
        }
        guard hasImage else { throw .missingChunk("IDAT") }
    }

    /// The chunk whose length field is at `position`: length, name, contents, checksum of name and contents.
    static func chunk(of file: [UInt8], at position: Int) throws(PNGError) -> Chunk {
        guard file.count - position >= 8 else { throw .truncated("before its IEND chunk") }
        let letters = file[position + 4..<position + 8]
        // In an error message, only letters are shown as they are.
        let isName = letters.allSatisfy { (0x41...0x5A).contains($0 & ~0x20) }
        guard isName else { throw .undecodable("no chunk at byte \(position)") }
        let name = String(decoding: letters, as: UTF8.self)

        let length = integer(of: file, at: position)
        let start = position + 8
        guard length <= file.count - start - 4 else { throw .truncated("inside its \(name) chunk") }
        let contents = start..<start + length
        guard integer(of: file, at: contents.upperBound) == PNG.checksum(of: file[position + 4..<contents.upperBound])
        else { throw .damagedChunk(name) }
        return Chunk(name: name, contents: contents)
    }

    private static func header(of file: [UInt8], at start: Int) throws(PNGError) -> Header {
        let header = Header(
            width: integer(of: file, at: start), height: integer(of: file, at: start + 4),
            bitDepth: Int(file[start + 8]), colorType: Int(file[start + 9]))
        for (field, side) in [("width", header.width), ("height", header.height)]
        where !(1...PNG.sideLimit).contains(side) {
            throw .invalidHeader(field: field, value: side, allowed: "1 … \(PNG.sideLimit)")
        }
        guard header.samples != nil else {
            throw .invalidHeader(field: "colour type", value: header.colorType, allowed: "0, 2, 3, 4 and 6")
        }
        guard [1, 2, 4, 8, 16].contains(header.bitDepth) else {
            throw .invalidHeader(field: "bit depth", value: header.bitDepth, allowed: "1, 2, 4, 8 and 16")
        }
        return header
    }

    /// An unsigned integer of 32 bits, big-endian.
    private static func integer(of file: [UInt8], at position: Int) -> Int {
        file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
