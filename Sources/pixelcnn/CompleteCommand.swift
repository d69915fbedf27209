// `pixelcnn complete`: keeps a part of a picture and draws the rest. PNG and NPY go to the daemon as they are, other
// pictures as PNG; they are read here, too, so that an error names the file.

import ArgumentParser
import ImageFormats
import ImageImport
import PixelCNNAPI
import Support

struct CompleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete",
        abstract: "Keeps a part of a picture and draws the rest.",
        discussion: """
            The picture is a PNG, JPEG, WebP, BMP or TIFF, or an array of integers of shape (channels, height, width) \
            in .npy or .npz, or - for one of these on standard input; the images have its size. Either its first rows \
            are kept, or the pixels that are not 0 in a mask, which is a PNG or an NPY array of shape (height, width). \
            A picture that the daemon has drawn is completed to the same picture if it gets its own seed and index.

            EXAMPLES
              pixelcnn complete --rows 16 photo.png -n 8 -o grid.png
              pixelcnn complete --rows 16 --size 32 photo.jpg -n 8 -o grid.png
              pixelcnn complete --mask mask.png photo.png -n 4 --seed 1 -o grid.png
              pixelcnn complete --rows 8 image.npy -n 1000 -o completed.npy
              pixelcnn complete --rows 16 flag.png --label flags --preview
              curl https://example.org/icon.png | pixelcnn complete --rows 16 - --background white
            """
    )

    @Argument(help: "The picture, or an array of it.", completion: .file(extensions: ImageKind.endings))
    var file: String

    @Option(parsing: .unconditional, help: ArgumentHelp("Keep this many rows, from the top.", valueName: "n"))
    var rows: Int?

    @Option(
        help: ArgumentHelp("Keep the pixels that are not 0 in this PNG or NPY.", valueName: "file"),
        completion: .file(extensions: ["png", "npy"]))
    var mask: String?

    @OptionGroup
    var pictures: PictureOptions

    @OptionGroup
    var sampling: SampleOptions

    func validate() throws {
        try PictureOptions.checkStandardInput([file, mask].compactMap(\.self))
        guard (rows == nil) != (mask == nil) else {
            throw ValidationError("give one of --rows and --mask: it says which pixels are kept")
        }
        if let rows, rows < 0 { throw ValidationError("--rows is \(rows); allowed is 0 … the picture's rows") }
    }

    func run() async throws {
        var command = ["complete", rows.map { "--rows \($0)" } ?? "--mask \(SampleOptions.word(mask ?? ""))"]
        if let size = pictures.size { command.append("--size \(size.height)x\(size.width)") }
        if let background = pictures.background { command.append("--background \(background)") }
        try await sampling.run(command + [SampleOptions.word(file)]) { () throws(Failure) in
            try GivenPicture(
                picture: file, rows: rows, mask: mask, size: pictures.size, background: pictures.background)
        }
    }
}

/// The picture that images start with.
struct GivenPicture {
    private let image: ImageFile
    private let picture: String  // its path
    /// Whether it is an array, which is never resized.
    let isArray: Bool
    private let mask: (file: ImageFile, path: String)?
    private let rows: Int

    /// Reads the files: a picture, and a mask or how many rows.
    ///
    /// - Throws: ``Failure`` where they cannot be read, or do not fit together.
    init(picture: String, rows: Int?, mask: String?, size: ImageSize?, background: Background?) throws(Failure) {
        let (image, isArray) = try Self.imported(picture, size, background)
        self.image = image
        self.isArray = isArray
        self.picture = picture
        self.rows = rows ?? 0
        guard 0...image.height ~= self.rows else {
            throw Failure(.usage, "--rows is \(self.rows); \(picture) has \(image.height) rows")
        }
        guard let mask else {
            self.mask = nil
            return
        }
        let file = try Self.mask(mask)
        guard (file.height, file.width) == (image.height, image.width) else {
            throw Failure(
                .dataError,
                "\(mask) is \(file.height) × \(file.width); it must be as \(picture), \(image.height) × \(image.width)")
        }
        self.mask = (file, mask)
    }

    /// A picture in any format, or an array, in a form that the daemon reads.
    private static func imported(
        _ path: String, _ size: ImageSize?, _ background: Background?
    ) throws(Failure) -> (ImageFile, isArray: Bool) {
        do {
            let file = try OpenFile.ofImages(path)
            let bytes = try file.bytes(0..<file.byteCount)
            switch ImageKind(bytes) {
            case .png where size == nil:
                return (try ImageFile(background == nil ? bytes : opaque(bytes, background)), false)
            case .png, .picture:
                let picture = try Picture.imported(bytes, background: background).resized(to: size, path)
                return (try ImageFile(PNG.encode(picture)), false)
            case .npy, .npz:
                let array = try ImageFile(bytes)
                guard size == nil || size == ImageSize(height: array.height, width: array.width) else {
                    throw Failure(array: path, height: array.height, width: array.width)
                }
                return (array, true)
            case nil: throw Failure(.dataError, "\(path == "-" ? file.path : path): \(ImageKind.unknown)")
            }
        } catch {
            throw Failure(path, error)
        }
    }

    /// The PNG itself where it is opaque, else its picture on the background.
    private static func opaque(_ png: [UInt8], _ background: Background?) throws(PNGError) -> [UInt8] {
        do throws(PNGError) {
            _ = try PNG.decode(png)
            return png
        } catch {
            guard case .transparent = error else { throw error }
            return try PNG.encode(PNG.decode(png, background: background))
        }
    }

    /// A mask says of each pixel whether it is 0, which JPEG does not keep.
    private static func mask(_ path: String) throws(Failure) -> ImageFile {
        let file = try path == "-" ? OpenFile.standardInput() : OpenFile(path)
        let bytes = try file.bytes(0..<file.byteCount)
        return try Self.naming(path) { () throws(ImageFileError) in try ImageFile(bytes) }
    }

    /// The files that are read.
    var files: [String] { [picture] + (mask.map { [$0.path] } ?? []) }

    /// Makes the request start from the picture, with its size.
    func give(to request: inout SampleRequest) {
        request.given = GivenImage(
            image: image.bytes, kept: mask.map { .mask($0.file.bytes) } ?? .rows(rows))
        request.height = image.height
        request.width = image.width
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
            throw Failure(path, error)
        }
    }
}
