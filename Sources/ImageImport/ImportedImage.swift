// What a person gives for images, whatever it is: told by the first bytes, and turned into what the rest of the
// programs knows, an NPY array or pixels.

import ImageFormats
import Support

/// What the first bytes of a file of images say it is.
package enum ImageKind: Sendable, Equatable {
    case npy
    case npz
    case png
    case picture(PictureFile.Format)

    /// Endings of the names of such files, in folders.
    package static let endings = ["png", "npy", "npz"] + PictureFile.endings

    /// How many bytes are needed to tell.
    package static let bytesNeeded = 12

    /// Tells by a file's first bytes; nil where it is none of these.
    package init?(_ start: [UInt8]) {
        if start.starts(with: [0x93] + Array("NUMPY".utf8)) {
            self = .npy
        } else if start.starts(with: NPZFile.magic) {
            self = .npz
        } else if start.starts(with: [0x89] + Array("PNG".utf8)) {
            self = .png
        } else if let format = PictureFile.format(start) {
            self = .picture(format)
        } else {
            return nil
        }
    }

    /// What to say of a file that is none of these.
    package static let unknown =
        "not an image that is read: PNG, JPEG, WebP, BMP and TIFF are, and arrays in .npy and .npz; convert others to "
        + "PNG, in Python Image.open(path).convert(\"RGB\").save(\"picture.png\") of PIL"
}

/// A picture's size and pixels, of PNG and of the formats of ``PictureFile``.
extension Picture {
    /// Rows and columns of a picture, from its head.
    package static func importedSize(of bytes: [UInt8]) throws -> (width: Int, height: Int) {
        PictureFile.format(bytes) == nil ? try PNG.size(of: bytes) : try PictureFile.size(of: bytes)
    }

    /// Decodes a picture of at most `limit` pixels, on `background` where it is not opaque.
    package static func imported(
        _ bytes: [UInt8], limit: Int = PNG.defaultLimit, background: Background? = nil
    ) throws -> Picture {
        PictureFile.format(bytes) == nil
            ? try PNG.decode(bytes, limit: limit, background: background)
            : try PictureFile.decode(bytes, limit: limit, background: background)
    }

    /// Whether an error says that a file holds no picture that can be had, rather than one that is not read as it is.
    package static func isDamage(_ error: any Error) -> Bool {
        switch error {
        case PictureError.damaged, PNGError.notPNG, PNGError.truncated, PNGError.damagedChunk, PNGError.missingChunk,
            PNGError.invalidHeader, PNGError.implausibleSize, PNGError.paletteIndex, PNGError.undecodable:
            true
        default: false
        }
    }
}

extension OpenFile {
    /// Opens a file of images, standard input where it is `-`; of a `.npz` file, or of `FILE.npz/NAME`, the array's own
    /// bytes.
    package static func ofImages(_ path: String) throws -> OpenFile {
        let (file, name) = NPZFile.split(path)
        let opened = try path == "-" ? OpenFile.standardInput() : OpenFile(file)
        guard try opened.bytes(0..<2) == NPZFile.magic else { return opened }
        do {
            let array = try NPZFile(opened.bytes(0..<opened.byteCount)).array(name)
            return OpenFile(path, contents: array)
        } catch let error as NPZError {
            throw Failure(.dataError, "\(file): \(error)")
        }
    }
}
