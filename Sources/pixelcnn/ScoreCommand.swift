// `pixelcnn score`: how well the model predicts given images. They are sent in batches, whatever their number, with the
// same bytes as one request for all of them would give.

import ArgumentParser
import Foundation
import ImageFormats
import ImageImport
import PixelCNNAPI
import Support

struct ScoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Prints the bits per dimension of images.",
        discussion: """
            A file is an array of integers in .npy of shape (n, channels, height, width) or (channels, height, width), \
            for one channel also (n, height, width); the same in .npz, as FILE.npz/NAME if it has several; or a PNG, \
            JPEG, WebP, BMP or TIFF of one image. A folder stands for all such files in it and in its subfolders. \
            Several files are one stack of images, which may be larger than memory: they are read and sent in batches.

            EXAMPLES
              pixelcnn score images.npy
              pixelcnn score face.png -o log_prob.npy
              pixelcnn score train-*.npy faces/ --json
              pixelcnn score flags.npy --label flags
            """
    )

    @Argument(
        help: ArgumentHelp("The images: arrays, pictures, or folders of them.", valueName: "file"),
        completion: .file(extensions: ImageKind.endings))
    var files: [String]

    @Option(
        help: ArgumentHelp(
            "The images' class, if the model has classes: its number, its name, or the beginning of its name.",
            valueName: "class"),
        completion: .classes())
    var label: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write the log-probabilities (NPY, float32, nats) here.", valueName: "file"),
        completion: .file(extensions: ["npy"]))
    var output: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup
    var progress: ProgressOptions

    @OptionGroup
    var retries: RetryOptions

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            if let output { try Output.check(output) }
            let run = ScoreRun(
                client: try connection.client(), files: files, label: label, output: output, style: progress.style(),
                isQuiet: progress.quiet, retries: retries.policy(),
                print: json ? Self.printJSON : Self.printTable)
            try await Interruption.cancelling(run.run)
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

/// One run from files to output.
private struct ScoreRun: Sendable {
    let client: DaemonClient
    let files: [String]
    /// The class, as a person names it.
    let label: String?
    /// Where log-probabilities go, a path or `-`; nil where they are not wanted.
    let output: String?
    let style: ProgressDisplay.Style
    let isQuiet: Bool
    let retries: RetryPolicy
    /// Prints the scores, with a name for each image.
    let print: @Sendable (ScoreResponse, [String]) throws -> Void

    /// Scores, and writes the output.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        var stack = try ImageStack(files)
        for note in stack.notes { report("warning: \(note)") }
        let model = try await client.describeModel(retries: retries, report: report)
        let shape = try stack.shape(for: model)
        if let note = model.sizeNote(height: shape.height, width: shape.width) {
            report("\(files[0]): \(note): scored as they are")
        }
        let path = try self.path(model)
        let file = try output.map { path throws(Failure) in try Output(path) }
        try file?.write(
            NPYArray.header(.float32, shape: [stack.count, shape.channels, shape.height, shape.width]))
        let display = ProgressDisplay(
            style: style, isQuiet: isQuiet, images: stack.count, imageValues: shape.count)
        defer { display.clear() }
        display.add(images: 0)
        let job = SplitJob(client: client, model: model, display: display, retries: retries)
        let type = output == nil ? MediaTypeName.json : MediaTypeName.npy
        var parts = SplitJob.parts(of: stack.count, most: try Self.imagesPerRequest(job, shape)).makeIterator()
        var bits: [Double] = []
        try await job.inOrder {
            try parts.next().map { try stack.read($0.count, shape) }
        } send: { batch in
            let request = DaemonClient.Request(
                method: .POST, path: path, accept: type, contentType: MediaTypeName.npy, body: { batch.body },
                maximumBytes: HTTPExchange.maximumResponseBytes)
            let response = try await job.send(request)
            return try Self.scores(response, type, of: batch.count, shape)
        } receive: { scores, data in
            bits += scores.bitsPerDimension
            try file?.write(data)
            display.add(images: scores.bitsPerDimension.count)
        }
        try file?.commit()
        display.clear()
        if let output {
            report("wrote log-probabilities to \(output == "-" ? "standard output" : output)")
        }
        // Standard output is taken where the array goes there.
        if output != "-" { try print(ScoreResponse(bitsPerDimension: bits), stack.names) }
    }

    private func report(_ line: String) { if !isQuiet { say(line) } }

    private func path(_ model: ModelDescription) throws(Failure) -> String {
        let label = try label.map { label throws(Failure) in ClassLabel.number(try model.class(label)) }
        do {
            return ScoreRequest(label: try model.number(ofAny: label)).path
        } catch {
            let hint = "name the images' class with --label"
            throw Failure(.usage, ModelDescription.labelHint(error, label, hint))
        }
    }

    /// No more than fit the daemon's bound of a body.
    private static func imagesPerRequest(_ job: SplitJob, _ shape: SampledImages.Shape) throws(Failure) -> Int {
        let most = job.imagesPerRequest(shape)
        let header = SampledImages.npyHeader(count: most, shape: shape).count
        let imageBytes = shape.count * shape.elementType.size
        let fitting = (job.model.limits.maximumBodyBytes - header) / imageBytes
        guard fitting > 0 else {
            throw Failure(
                .usage,
                "an image of \(imageBytes) bytes; the daemon takes bodies of up to "
                    + "\(job.model.limits.maximumBodyBytes) bytes (pixelcnnd --max-body)")
        }
        return min(most, fitting)
    }

    /// A batch's scores and, as an array's data, the log-probabilities where these were requested.
    private static func scores(
        _ response: HTTPResponse, _ type: String, of count: Int, _ shape: SampledImages.Shape
    ) throws(Failure) -> (ScoreResponse, [UInt8]) {
        if type == MediaTypeName.json {
            let scores = try response.decoded(as: ScoreResponse.self)
            guard scores.bitsPerDimension.count == count else {
                throw .unknownProtocol("it has scores of \(scores.bitsPerDimension.count) of \(count) images")
            }
            return (scores, [])
        }
        let (values, data) = try response.logProbabilities(of: count, shape)
        return (ScoreResponse(logProbabilities: values, count: count), data)
    }
}
