// What images start with, from a request's files to the pixels of its job. Sizes are judged before anything of that
// size is allocated: a small file may claim very many pixels.

import ImageFormats
import Logging
import PixelCNNAPI
import PixelCNNScheduler
import Support

struct GivenFiles {
    private typealias Field = GivenImage.Field

    private enum Kept {
        case rows(Int)
        case mask(ImageFile)
    }

    private let image: ImageFile
    private let kept: Kept
    private let model: ModelDescription

    /// Reads the heads of the files.
    ///
    /// - Throws: 400 for files that cannot be read, 422 where their sizes are not allowed.
    init(_ given: GivenImage, _ model: ModelDescription, _ limits: RequestLimits) throws {
        self.model = model
        let image = try Self.reading(Field.image) { () throws(ImageFileError) in try ImageFile(given.image) }
        let sides = 1...limits.maximumSide
        guard sides.contains(image.height), sides.contains(image.width) else {
            throw RequestError.outOfRange(
                field: Field.image, found: Self.size(image), allowed: "at most \(limits.maximumSide) rows and columns")
        }
        self.image = image
        switch given.kept {
        case .rows(let rows): self.kept = .rows(rows)
        case .mask(let bytes):
            let mask = try Self.reading(Field.mask) { () throws(ImageFileError) in try ImageFile(bytes) }
            guard (mask.height, mask.width) == (image.height, image.width) else {
                throw RequestError.outOfRange(
                    field: Field.mask, found: Self.size(mask), allowed: "\(Self.size(image)), as \(Field.image) has")
            }
            self.kept = .mask(mask)
        }
    }

    /// Makes the request's images as large as the given one.
    ///
    /// - Throws: 422 where the request says another size.
    func giveSize(to request: inout SampleRequest) throws(RequestError) {
        let (height, width) = (request.height ?? image.height, request.width ?? image.width)
        guard (height, width) == (image.height, image.width) else {
            throw .outOfRange(
                field: Field.image, found: Self.size(image),
                allowed: "\(height) × \(width), the height and width asked for")
        }
        (request.height, request.width) = (height, width)
    }

    /// The pixels; the request's limits must have been checked.
    ///
    /// - Parameter memory: holds what decoding takes, beside what it holds.
    /// - Throws: 400 for files that cannot be read, 422 for what is no image of the model, or no mask.
    func pixels(holding memory: RequestMemory) throws -> GivenPixels {
        let (height, width) = (image.height, image.width)
        let values = height * width * model.channels
        try memory.hold(memory.bytes + MemoryNeed.decoding(pixels: height * width, values: values))
        return GivenPixels(
            height: height, width: width,
            values: try Self.reading(Field.image) { () throws(ImageFileError) in
                try image.values(channels: model.channels, colors: model.colors)
            },
            kept: try keptPixels())
    }

    private func keptPixels() throws -> GivenPixels.Kept {
        switch kept {
        case .rows(let rows): .rows(rows)
        case .mask(let mask):
            .mask(try Self.reading(Field.mask) { () throws(ImageFileError) in try mask.mask() })
        }
    }

    /// What a record says: whoever has the same files can draw the same images again.
    var record: Logger.Metadata {
        var record: Logger.Metadata = ["given_image": "\(Self.digest(image))"]
        switch kept {
        case .rows(let rows): record["given_rows"] = "\(rows)"
        case .mask(let mask): record["given_mask"] = "\(Self.digest(mask))"
        }
        return record
    }

    private static func digest(_ file: ImageFile) -> String {
        file.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
    }

    private static func size(_ file: ImageFile) -> String { "\(file.height) × \(file.width)" }

    /// A file's error as the field's.
    private static func reading<Result>(
        _ field: String, _ read: () throws(ImageFileError) -> Result
    ) throws(ProblemResponse) -> Result {
        do {
            return try read()
        } catch {
            throw ProblemResponse(
                error.isMalformed ? .badRequest : .unprocessableContent, "\(field): \(error)", field: field)
        }
    }
}
