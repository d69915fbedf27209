// `pixelcnn sample`: draws images.

import ArgumentParser

struct SampleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draws images.",
        discussion: """
            On a terminal a bar shows how far it is; --preview shows the pictures, too. What the daemon takes in one \
            request is no limit: more images are asked for in parts.

            EXAMPLES
              pixelcnn sample -n 36 --seed 0 --columns 6 -o grid.png
              pixelcnn sample -n 1000 --seed 7 -o samples.npy
              pixelcnn sample --seed 0 --first-index 17 -o seventeenth.png
              pixelcnn sample --temperature 0.9 --top-k 64 -o - | display
              pixelcnn sample -n 6 --preview
              pixelcnn sample -n 4 --label flags -o flags.png
              pixelcnn sample -n 9 --label all -o grid.png
            """
    )

    @Option(parsing: .unconditional, help: "Rows of an image; the model's by default.")
    var height: Int?

    @Option(parsing: .unconditional, help: "Columns of an image; the model's by default.")
    var width: Int?

    @OptionGroup
    var drawing: DrawingOptions

    func run() async throws {
        var command = ["sample"]
        if let height { command.append("--height \(height)") }
        if let width { command.append("--width \(width)") }
        try await self.drawing.draw(command, height: self.height, width: self.width)
    }
}
