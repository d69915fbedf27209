// `pixelcnn sample`: draws images, into a file or into shards.

import ArgumentParser

struct SampleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draws images.",
        discussion: """
            On a terminal a bar shows how far it is; --preview shows the pictures, too. What the daemon takes in one \
            request is no limit: more images are asked for in parts.

            With --output-dir images go to shards of --shard-size images, named by the index of their first image: .npy \
            files, or with --format png folders with a file an image; of classes, in a folder a class. The same \
            command goes on where it was stopped. Several jobs may share a folder, each with its --first-index and -n: \
            together they make the shards of one job. manifest.json there holds the model, the seed and the options, \
            which must be the same.

            EXAMPLES
              pixelcnn sample -n 36 --seed 0 --columns 6 -o grid.png
              pixelcnn sample -n 1000 --seed 7 -o samples.npy
              pixelcnn sample --seed 0 --first-index 17 -o eighteenth.png
              pixelcnn sample --temperature 0.9 --top-k 64 -o - | display
              pixelcnn sample -n 6 --preview
              pixelcnn sample -n 4 --label flags -o flags.png
              pixelcnn sample -n 9 --label all -o grid.png
              pixelcnn sample -n 100000 --seed 1 --output-dir samples
            """
    )

    @Option(parsing: .unconditional, help: "Rows of an image; the model's by default.")
    var height: Int?

    @Option(parsing: .unconditional, help: "Columns of an image; the model's by default.")
    var width: Int?

    @OptionGroup
    var drawing: DrawingOptions

    @OptionGroup
    var shards: ShardOptions

    func validate() throws { try self.shards.check(self.drawing) }

    func run() async throws {
        if let folder = shards.outputDir { return try await drawShards(folder) }
        var command = ["sample"]
        if let height { command.append("--height \(height)") }
        if let width { command.append("--width \(width)") }
        try await drawing.draw(command, height: self.height, width: self.width)
    }

    private func drawShards(_ folder: String) async throws {
        try await Failure.reporting {
            var request = self.drawing.request(seed: self.drawing.seed)
            (request.height, request.width) = (height, width)
            let drawing = ShardedDrawing(
                client: try self.drawing.connection.client(), request: request, labels: self.drawing.label,
                folder: folder, shardSize: shards.shardSize ?? ShardOptions.defaultShardSize,
                format: self.drawing.format ?? .npy, style: self.drawing.progress.style(),
                isQuiet: self.drawing.progress.quiet, patience: self.drawing.patience)
            try await Interruption.cancelling(drawing.run)
        }
    }
}
