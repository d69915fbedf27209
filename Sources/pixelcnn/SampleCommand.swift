// `pixelcnn sample`: samples images, into a file or into shards.

import ArgumentParser
import Support

struct SampleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draws images.",
        discussion: """
            On a terminal a bar shows the progress; --preview shows the pictures, too. If there are more images than \
            the daemon allows per request, they are requested in parts.

            A .npz, NumPy's archive of several arrays, holds the images as samples and the log-probability of each \
            value under the model as log_prob (float32, nats); if --temperature, --top-k or --top-p change what is \
            drawn from, also those under that distribution, as log_q.

            With --output-dir images go to shards of --shard-size images, named by the index of their first image: \
            .npy files, or with --format png folders with one file per image; with classes, in one folder per class. \
            A command that was stopped continues when it is run again. Several jobs may share a folder, each with its \
            own --first-index and -n: together they make the shards of one job. manifest.json in the folder holds \
            the model, the seed and the options, which must be the same for all jobs, and the SHA-256 of each shard: \
            a command that continues compares those of its own images first, and draws again what has changed. \
            --verify compares all of them, without a daemon.

            EXAMPLES
              pixelcnn sample -n 36 --seed 0 --columns 6 -o grid.png
              pixelcnn sample -n 1000 --seed 7 -o samples.npy
              pixelcnn sample -n 1000 --seed 7 -o samples.npz
              pixelcnn sample --seed 0 --first-index 17 -o eighteenth.png
              pixelcnn sample --temperature 0.9 --top-k 64 -o - | display
              pixelcnn sample -n 6 --preview
              pixelcnn sample -n 4 --label flags -o flags.png
              pixelcnn sample -n 9 --label all -o grid.png
              pixelcnn sample -n 100000 --seed 1 --output-dir samples
              pixelcnn sample --output-dir samples --verify
            """
    )

    @Option(parsing: .unconditional, help: "Rows of an image; the model's by default.")
    var height: Int?

    @Option(parsing: .unconditional, help: "Columns of an image; the model's by default.")
    var width: Int?

    @OptionGroup
    var sampling: SampleOptions

    @OptionGroup
    var shards: ShardOptions

    func validate() throws { try shards.check(sampling) }

    func run() async throws {
        if let folder = shards.outputDir {
            if shards.verify { return try await Failure.reporting { try ShardVerification.run(folder) } }
            return try await runSharded(folder)
        }
        var command = ["sample"]
        if let height { command.append("--height \(height)") }
        if let width { command.append("--width \(width)") }
        try await sampling.run(command, height: height, width: width)
    }

    private func runSharded(_ folder: String) async throws {
        try await Failure.reporting {
            var request = sampling.request(seed: sampling.seed)
            request.height = height
            request.width = width
            let run = ShardedRun(
                client: try sampling.connection.client(startWait: sampling.retries.startWait), request: request,
                labels: sampling.label, folder: folder, shardSize: shards.shardSize ?? ShardOptions.defaultShardSize,
                format: sampling.format == .png ? .png : .npy, style: sampling.progress.style(),
                isQuiet: sampling.progress.quiet, retries: sampling.retries.policy(), listsFiles: sampling.json)
            let drawn = try await Interruption.cancelling(run.run)
            if sampling.json { try drawn.print() }
        }
    }
}
