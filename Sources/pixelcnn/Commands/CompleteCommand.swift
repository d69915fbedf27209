// `pixelcnn complete`: keeps a part of a picture and draws the rest.

import ArgumentParser
import PixelCNNAPI

struct CompleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete",
        abstract: "Keeps a part of a picture and draws the rest.",
        discussion: """
            The picture is a PNG, or NPY, integers of shape (channels, height, width); it gives the images their size. Of \
            it the first rows are kept, or the pixels that are not 0 in a mask, a PNG or NPY of shape (height, width). \
            With the same seed the daemon completes a picture that it has drawn to what it was.

            EXAMPLES
              pixelcnn complete --rows 16 photo.png -n 8 -o grid.png
              pixelcnn complete --mask mask.png photo.png -n 4 --seed 1 -o grid.png
              pixelcnn complete --rows 8 image.npy -n 1000 -o completed.npy
              pixelcnn complete --rows 16 flag.png --label flags --preview
            """
    )

    @Argument(help: "The picture, PNG or NPY.", completion: .file(extensions: ["png", "npy"]))
    var file: String

    @Option(help: ArgumentHelp("Keep as many rows, from the top.", valueName: "n"))
    var rows: Int?

    @Option(
        help: ArgumentHelp("Keep the pixels that are not 0 there, PNG or NPY.", valueName: "file"),
        completion: .file(extensions: ["png", "npy"]))
    var mask: String?

    @OptionGroup
    var drawing: DrawingOptions

    func validate() throws {
        guard (self.rows == nil) != (self.mask == nil) else {
            throw ValidationError("give one of --rows and --mask: it says which pixels are kept")
        }
    }

    func run() async throws {
        let kept = self.rows.map { "--rows \($0)" } ?? "--mask \(DrawingOptions.word(self.mask ?? ""))"
        try await drawing.draw(["complete", kept, DrawingOptions.word(file)]) { () throws(Failure) in
            try GivenPicture(picture: file, rows: self.rows, mask: self.mask)
        }
    }
}
