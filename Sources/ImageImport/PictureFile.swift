// Pictures in other formats than PNG, through Leptonica: JPEG, WebP, BMP and TIFF, as people's folders have them.
// Decoders of four formats are much code that meets files from anywhere, so only the client and pixelcnn-train link it,
// which read files of the person who runs them; the daemon takes PNG and NPY.
//
// Samples are taken as stored, without colour profiles and EXIF's rotation, as for PNG. What would lose or invent
// values is refused: 16 bits, transparency, CMYK, a second page. The size comes from the head alone.

import CLeptonica
import ImageFormats

/// Reading of pictures that are no PNG.
package enum PictureFile {
    /// The formats, as people call them.
    package enum Format: String, Sendable {
        case jpeg = "JPEG"
        case webp = "WebP"
        case bmp = "BMP"
        case tiff = "TIFF"
    }

    /// Endings of such files' names.
    package static let endings = ["jpg", "jpeg", "webp", "bmp", "tif", "tiff"]

    /// The format that a file's first 12 bytes tell.
    package static func format(_ start: [UInt8]) -> Format? {
        if start.starts(with: [0xff, 0xd8, 0xff]) { return .jpeg }
        if start.starts(with: Array("RIFF".utf8)), start.dropFirst(8).starts(with: Array("WEBP".utf8)) { return .webp }
        if start.starts(with: Array("BM".utf8)) { return .bmp }
        let isTIFF = start.starts(with: [0x49, 0x49, 0x2a, 0]) || start.starts(with: [0x4d, 0x4d, 0, 0x2a])
        return isTIFF ? .tiff : nil
    }

    /// Rows and columns.
    ///
    /// - Throws: ``PictureError``.
    package static func size(of bytes: [UInt8]) throws(PictureError) -> (width: Int, height: Int) {
        guard let format = format(bytes) else { throw .damaged(.jpeg) }
        setMsgSeverity(Int32(L_SEVERITY_NONE))  // it prints to standard error by default
        var (kind, width, height, depth, samples, palette) = (
            0 as Int32, 0 as Int32, 0 as Int32, 0 as Int32, 0 as Int32, 0 as Int32
        )
        guard pixReadHeaderMem(bytes, bytes.count, &kind, &width, &height, &depth, &samples, &palette) == 0, width > 0,
            height > 0
        else { throw .damaged(format) }
        guard depth <= 8 else { throw .unsupported(format, "\(depth) bits per sample") }
        if format == .jpeg, samples == 4 { throw .unsupported(format, "CMYK") }
        // Leptonica takes its channels in another order than other readers do.
        if format == .bmp, bytes.count > 28, bytes[28] == 32 { throw .unsupported(format, "32 bits per pixel") }
        return (Int(width), Int(height))
    }

    /// Decodes a picture; gray where it has no colour in its palette, or no palette and one sample per pixel.
    ///
    /// - Parameters:
    ///   - limit: the most pixels that are accepted; checked before the picture is decoded.
    ///   - background: what lies behind pixels that are not opaque.
    /// - Throws: ``PictureError``.
    package static func decode(
        _ bytes: [UInt8], limit: Int = PNG.defaultLimit, background: Background? = nil
    ) throws(PictureError) -> Picture {
        guard let format = format(bytes) else { throw .damaged(.jpeg) }
        let (width, height) = try size(of: bytes)
        guard width <= limit / height else { throw .tooLarge(format, width: width, height: height, limit: limit) }
        var next = 0
        var pix =
            format == .tiff
            ? pixReadMemFromMultipageTiff(bytes, bytes.count, &next) : pixReadMem(bytes, bytes.count)
        defer { pixDestroy(&pix) }
        guard pix != nil else { throw .damaged(format) }
        guard next == 0 else { throw .unsupported(format, "several pages") }
        // To 8 bits of gray, or to 32 of colour.
        var plain =
            pixGetColormap(pix) != nil
            ? pixRemoveColormap(pix, Int32(REMOVE_CMAP_BASED_ON_SRC))
            : pixGetDepth(pix) < 8 ? pixConvertTo8(pix, 0) : pixClone(pix)
        defer { pixDestroy(&plain) }
        guard let words = pixGetData(plain), pixGetWidth(plain) == Int32(width), pixGetHeight(plain) == Int32(height)
        else { throw .damaged(format) }
        let (depth, stride) = (pixGetDepth(plain), Int(pixGetWpl(plain)))
        guard depth == 8 || depth == 32 else { throw .unsupported(format, "\(depth) bits per pixel") }
        let hasAlpha = depth == 32 && pixGetSpp(plain) == 4
        let channels = depth == 8 ? 1 : 3
        var pixels: [UInt8] = []
        pixels.reserveCapacity(height * width * channels)
        for row in 0..<height {
            let line = words + row * stride
            for column in 0..<width {
                guard channels == 3 else {  // four to a word, the first in the upper byte
                    pixels.append(UInt8(truncatingIfNeeded: line[column / 4] >> UInt32(24 - 8 * (column % 4))))
                    continue
                }
                let pixel = line[column]
                guard !hasAlpha || background != nil || pixel & 0xff == 0xff else {
                    throw .transparent(format, row: row, column: column)
                }
                for shift: UInt32 in [24, 16, 8] { pixels.append(UInt8(truncatingIfNeeded: pixel >> shift)) }
                if hasAlpha, background != nil { pixels.append(UInt8(truncatingIfNeeded: pixel)) }
            }
        }
        if hasAlpha, let background {
            return background.behind(pixels, width: width, height: height, channels: channels)
        }
        return Picture(width: width, height: height, channels: channels, pixels: pixels)
    }
}

/// Why a picture is not read.
package enum PictureError: Error, Sendable, Equatable, CustomStringConvertible {
    /// It cannot be decoded.
    case damaged(PictureFile.Format)
    /// It has more pixels than are accepted.
    case tooLarge(PictureFile.Format, width: Int, height: Int, limit: Int)
    /// A pixel is not fully opaque; the first such.
    case transparent(PictureFile.Format, row: Int, column: Int)
    /// It has what cannot be said in 8 bits of gray or colour.
    case unsupported(PictureFile.Format, String)

    /// One line for a person.
    package var description: String {
        switch self {
        case .damaged(.webp): "a WebP that cannot be decoded: it is damaged, or animated"
        case .damaged(let format): "a \(format.rawValue) that cannot be decoded: it is damaged, or cut short"
        case .tooLarge(let format, let width, let height, let limit):
            "a \(format.rawValue) of \(width) × \(height) pixels; at most \(limit) are read"
        case .transparent(let format, let row, let column):
            Self.unsupported(format, "transparency, at row \(row), column \(column)").description
        case .unsupported(let format, let found):
            "a \(format.rawValue) with \(found); 8-bit gray and RGB are read: convert it to PNG, in Python "
                + "Image.open(path).convert(\"RGB\").save(\"picture.png\") of PIL"
        }
    }
}
