// `pixelcnn score`: how well the model predicts given images.

import ArgumentParser
import Foundation
import PixelCNNAPI

struct ScoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Prints the bits per dimension of images.",
        discussion: """
            A file is NPY, integers of shape (n, channels, height, width) or (channels, height, width), or a PNG of one \
            image; a folder stands for all of them in it and below it. Several files are one stack of images, which may \
            be larger than memory: they are read, and the daemon is asked, in batches.

            EXAMPLES
              pixelcnn score images.npy
              pixelcnn score face.png -o log_prob.npy
              pixelcnn score train-*.npy faces/ --json
              pixelcnn score flags.npy --label flags
            """
    )

    @Argument(
        help: ArgumentHelp("The images, NPY or PNG, or folders of them.", valueName: "file"),
        completion: .file(extensions: ["npy", "png"]))
    var files: [String]

    @Option(
        help: ArgumentHelp(
            "The images' class, where the model has classes: its number, its name, or how the name begins.",
            valueName: "class"),
        completion: .classes())
    var label: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write the log-probabilities (NPY, float32, nats) there.", valueName: "file"),
        completion: .file(extensions: ["npy"]))
    var output: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup
    var progress: ProgressOptions

    @OptionGroup
    var patience: PatienceOptions

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            if let output { try Output.check(output) }
            let scoring = Scoring(
                client: try self.connection.client(), files: self.files, label: self.label, output: self.output,
                style: self.progress.style(), isQuiet: self.progress.quiet, patience: self.patience,
                print: self.json ? Self.printJSON : Self.printTable)
            try await Interruption.cancelling(scoring.run)
        }
    }

    @Sendable private static func printJSON(_ scores: ScoreResponse, _ names: [String]) throws {
        try Output.write(JSONCoding.encode(scores), to: "-")
    }

    @Sendable private static func printTable(_ scores: ScoreResponse, _ names: [String]) throws {
        var rows = zip(names, scores.bitsPerDimension).map { ($0, String(format: "%.6f", $1)) }
        rows.append(("mean", String(format: "%.6f", scores.meanBitsPerDimension) + " bits/dim"))
        try Output.write(Array((Table.format(rows) + "\n").utf8), to: "-")
    }
}
