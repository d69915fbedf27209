// The picture that `pixelcnn complete` starts from. The files go to the daemon as they are; they are read here, too, so
// that an error names the file.

import ImageFormats
import PixelCNNAPI

struct GivenPicture {
    private let image: ImageFile
    private let picture: String  // its path
    private let mask: (file: ImageFile, path: String)?
    private let rows: Int

    /// Reads the files: a picture, and a mask or how many rows.
    ///
    /// - Throws: ``Failure`` where they cannot be read, or do not fit together.
    init(picture: String, rows: Int?, mask: String?) throws(Failure) {
        let image = try Self.read(picture)
        (self.image, self.picture) = (image, picture)
        self.rows = rows ?? 0
        guard 0...image.height ~= self.rows else {
            throw Failure(.usage, "--rows is \(self.rows); \(picture) has \(image.height) rows")
        }
        guard let mask else {
            self.mask = nil
            return
        }
        let file = try Self.read(mask)
        guard (file.height, file.width) == (image.height, image.width) else {
            throw Failure(
                .dataError,
                "\(mask) is \(file.height) × \(file.width); it must be as \(picture), \(image.height) × \(image.width)")
        }
        self.mask = (file, mask)
    }

    private static func read(_ path: String) throws(Failure) -> ImageFile {
        let file = try OpenFile(path)
        let bytes = try file.bytes(0..<file.byteCount)
        return try Self.naming(path) { () throws(ImageFileError) in try ImageFile(bytes) }
    }

    /// Makes the request start from the picture, with its size.
    func give(to request: inout SampleRequest) {
        request.given = GivenImage(
            image: image.bytes, kept: mask.map { .mask($0.file.bytes) } ?? .rows(rows))
        (request.height, request.width) = (image.height, image.width)
    }

    /// Refuses what is no image of the model, or no mask.
    func check(_ model: ModelDescription) throws(Failure) {
        let most = model.limits.maximumSide
        guard max(image.height, image.width) <= most else {
            throw Failure(
                .dataError,
                "\(picture) is \(image.height) × \(image.width); the daemon takes at most \(most) × \(most)"
            )
        }
        _ = try Self.naming(picture) { () throws(ImageFileError) in
            try image.values(channels: model.channels, colors: model.colors)
        }
        if let mask { _ = try Self.naming(mask.path) { () throws(ImageFileError) in try mask.file.mask() } }
    }

    /// A file's error with its name.
    private static func naming<Result>(
        _ path: String, _ read: () throws(ImageFileError) -> Result
    ) throws(Failure) -> Result {
        do {
            return try read()
        } catch {
            throw Failure(.dataError, "\(path): \(error)")
        }
    }
}
