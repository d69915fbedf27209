// How pictures are read, the same for every subcommand that takes some; and what the client says of their errors.

import ArgumentParser
import ImageFormats
import ImageImport
import Support

struct PictureOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Resize pictures to this size, such as 32 or 24x32 (rows x columns), keeping their middle, as \
            pixelcnn-train does.
            """, valueName: "size"))
    var size: ImageSize?

    @Option(
        help: ArgumentHelp(
            """
            The colour behind transparent pictures: white, black, gray, or hexadecimal digits such as ff8000. Without \
            it they are refused.
            """, valueName: "colour"), completion: .list(["white", "black", "gray"]))
    var background: Background?

    /// Refuses to read standard input twice.
    static func checkStandardInput(_ paths: [String]) throws {
        guard paths.count(where: { $0 == "-" }) < 2 else {
            throw ValidationError("- is given twice; standard input can be read once")
        }
    }
}

extension Background: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

extension ImageSize: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument, allowed: 1...32767) }  // cairo's limit
}

extension Picture {
    /// The picture at the size of `--size`, where that is given.
    ///
    /// - Throws: ``Failure`` (65) where it is too large.
    func resized(to size: ImageSize?, _ path: String) throws(Failure) -> Picture {
        guard let size else { return self }
        guard let picture = resized(to: size) else {
            throw Failure(.dataError, "\(path) is \(height) × \(width), too large to be resized; sides may be 32767")
        }
        return picture
    }
}

extension Failure {
    /// An array beside `--size`.
    init(array path: String, height: Int, width: Int) {
        self.init(
            .dataError,
            "\(path) is an array of \(height) × \(width) (height × width); --size resizes pictures, not arrays: their "
                + "values are the model's own")
    }

    /// An error of a file, with what to do about it here.
    init(_ path: String, _ error: any Error) {
        if let failure = error as? Failure {
            self = failure
            return
        }
        let isTransparent =
            switch error {
            case PNGError.transparent, PictureError.transparent: true
            case ImageFileError.png(.transparent): true
            default: false
            }
        let name = path == "-" ? "standard input" : path
        let advice = isTransparent ? "; or --background COLOUR says what lies behind it" : ""
        self.init(.dataError, "\(name): \(error)\(advice)")
    }
}
