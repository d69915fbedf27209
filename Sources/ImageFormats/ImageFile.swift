// One image, or a mask, as people keep it: PNG or NPY, whichever the first bytes say. The size comes from the head
// alone, so that it can be judged before anything of that size is allocated.

/// A PNG or NPY file of one image, or of a mask.
package struct ImageFile: Sendable, Equatable {
    package let bytes: [UInt8]
    /// Rows.
    package let height: Int
    /// Columns.
    package let width: Int

    /// Of an array; nil of a PNG.
    private let shape: [Int]?

    /// Reads the head of a file.
    ///
    /// - Throws: ``ImageFileError`` for what is neither PNG nor NPY, is damaged there, or has no rows and columns.
    package init(_ bytes: [UInt8]) throws(ImageFileError) {
        self.bytes = bytes
        if bytes.starts(with: NPYHeader.magic) {
            let shape: [Int]
            do { shape = try NPYHeader(parsing: bytes.span.bytes).shape } catch { throw .npy(error) }
            guard shape.count >= 2, !shape.contains(0) else {
                throw .shape(shape, allowed: "(channels, height, width), or (height, width) of one channel or a mask")
            }
            self.shape = shape
            (height, width) = (shape[shape.count - 2], shape[shape.count - 1])
        } else if bytes.starts(with: PNGChunks.signature) {
            do { (width, height) = try PNG.size(of: bytes) } catch { throw .png(error) }
            shape = nil
        } else {
            throw .neither
        }
    }

    /// The image's values 0 … `colors` − 1, (channels, height, width). A picture's level becomes the value that is
    /// shown nearest to it.
    ///
    /// - Throws: ``ImageFileError`` where the file is no such image.
    package func values(channels: Int, colors: Int) throws(ImageFileError) -> [UInt16] {
        guard let shape else {
            let picture = try picture()
            do { return try Grid.values(of: picture, channels: channels, colors: colors) } catch { throw .grid(error) }
        }
        guard let images = ImageArrayShape(shape, channels: channels), images.count == 1 else {
            throw .shape(shape, allowed: "one image, " + ImageArrayShape.advice(shape, channels: channels))
        }
        do { return try NPYArray(parsing: bytes).integers(as: UInt16.self, in: 0...colors - 1) } catch {
            throw .npy(error)
        }
    }

    /// Which pixels of a mask are not 0, (height, width); of a coloured picture, in any channel.
    ///
    /// - Throws: ``ImageFileError`` where the file is no mask.
    package func mask() throws(ImageFileError) -> [Bool] {
        guard let shape else {
            let picture = try picture()
            return stride(from: 0, to: picture.pixels.count, by: picture.channels)
                .map { pixel in (0..<picture.channels).contains { picture.pixels[pixel + $0] != 0 } }
        }
        guard shape.count == 2 else { throw .shape(shape, allowed: "(height, width)") }
        do { return try NPYArray(parsing: bytes).nonzero() } catch { throw .npy(error) }
    }

    private func picture() throws(ImageFileError) -> Picture {
        // The size has been judged.
        do { return try PNG.decode(bytes, limit: .max) } catch { throw .png(error) }
    }
}

/// Why a file is no image, or no mask.
package enum ImageFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The first bytes are of neither format.
    case neither
    /// A PNG that cannot be read.
    case png(PNGError)
    /// An array that cannot be read, or has values that are not allowed.
    case npy(NPYError)
    /// A picture that is not of this kind.
    case grid(GridError)
    /// An array of another shape.
    case shape([Int], allowed: String)

    /// Whether the file itself is at fault; else it is sound, but not what was requested.
    package var isMalformed: Bool {
        switch self {
        case .npy(.notIntegers), .npy(.valueOutOfRange), .grid, .shape: false
        case .neither, .png, .npy: true
        }
    }

    /// One line for a person.
    package var description: String {
        switch self {
        case .neither: "neither a PNG nor an NPY file"
        case .png(let error): "\(error)"
        case .npy(let error): "\(error)"
        case .grid(let error): "\(error)"
        case .shape(let shape, let allowed): "an array of shape \(shape); allowed is \(allowed)"
        }
    }
}
