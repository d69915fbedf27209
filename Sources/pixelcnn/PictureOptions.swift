// How pictures are read, the same for every subcommand that takes some; and what the client says of their errors.

import ArgumentParser
import ImageFormats
import ImageImport
import Support

struct PictureOptions: ParsableArguments {
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

extension Failure {
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
