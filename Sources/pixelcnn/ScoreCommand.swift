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

            With --against, a second daemon scores the same images, too, and each image gets its log-likelihood ratio \
            in nats: how much more probable it is under the first model than under the second. Bits per dimension \
            also say how simple an image is; the ratio does not, so outliers are the images with the lowest ratios.

            EXAMPLES
              pixelcnn score images.npy
              pixelcnn score face.png -o log_prob.npy
              pixelcnn score images.npy -o scores.npz
              pixelcnn score train-*.npy faces/ --json
              pixelcnn score flags.npy --label flags
              pixelcnn score images.npy --against other.sock
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
        help: ArgumentHelp(
            "Compare with the model of the daemon at this socket; --label is for those of both that have classes.",
            valueName: "path"),
        completion: .file())
    var against: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            Write the log-probabilities (float32, nats) here: NPY, or in an .npz as log_prob and, with --against, \
            log_prob_against.
            """, valueName: "file"),
        completion: .file(extensions: ["npy", "npz"]))
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
            if let output {
                try Output.check(output)
                if ScoreRun.isArchive(output) { try NPZOutput.check(output) }
            }
            let clients = try [connection.client()] + (against.map { [try connection.client(at: $0)] } ?? [])
            let run = ScoreRun(
                clients: clients, files: files, label: label, output: output, style: progress.style(),
                isQuiet: progress.quiet, retries: retries.policy(),
                print: json ? Self.printJSON : Self.printTable)
            try await Interruption.cancelling(run.run)
        }
    }

    @Sendable private static func printJSON(_ scores: Scores, _ names: [String]) throws {
        try Output.write(JSONCoding.encode(scores), to: "-")
    }

    @Sendable private static func printTable(_ scores: Scores, _ names: [String]) throws {
        func columns(_ bits: Double, _ other: Double, _ ratio: Double) -> String {
            String(format: "%10.6f  %10.6f  %12.3f", bits, other, ratio)
        }
        let own = scores.own
        var rows = zip(names, own.bitsPerDimension).map { ($0, String(format: "%.6f", $1)) }
        rows.append(("mean", String(format: "%.6f", own.meanBitsPerDimension) + " bits/dim"))
        if let other = scores.against, let ratios = scores.logRatio {
            rows = [("", "  bits/dim     against  ratio (nats)")]
            for i in names.indices {
                rows.append((names[i], columns(own.bitsPerDimension[i], other.bitsPerDimension[i], ratios[i])))
            }
            let mean = ratios.reduce(0, +) / Double(ratios.count)
            rows.append(("mean", columns(own.meanBitsPerDimension, other.meanBitsPerDimension, mean)))
        }
        try Output.write(Array((Table.format(rows) + "\n").utf8), to: "-")
    }
}

/// What is printed: the scores and, where two models are compared, those of the other one.
private struct Scores: Encodable {
    let own: ScoreResponse
    let against: ScoreResponse?
    /// How much more probable each image is under the model than under the other one, in nats.
    let logRatio: [Double]?

    /// - Parameter bits: bits per dimension under each model.
    init(_ bits: [[Double]], valuesOfImage: Int) {
        own = ScoreResponse(bitsPerDimension: bits[0])
        against = bits.count > 1 ? ScoreResponse(bitsPerDimension: bits[1]) : nil
        logRatio = against.map { against in
            zip(bits[0], against.bitsPerDimension).map { ($1 - $0) * Double(valuesOfImage) * log(2.0) }
        }
    }

    private enum CodingKeys: String, CodingKey {
        case against
        case logRatio = "log_ratio"
    }

    func encode(to encoder: any Encoder) throws {
        try own.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(against, forKey: .against)
        try container.encodeIfPresent(logRatio, forKey: .logRatio)
    }
}

/// One run from files to output.
private struct ScoreRun: Sendable {
    /// Of the daemon, and of another one where their models are compared.
    let clients: [DaemonClient]
    let files: [String]
    /// The class, as a person names it.
    let label: String?
    /// Where log-probabilities go, a path or `-`; nil where they are not wanted.
    let output: String?
    let style: ProgressDisplay.Style
    let isQuiet: Bool
    let retries: RetryPolicy
    /// Prints the scores, with a name for each image.
    let print: @Sendable (Scores, [String]) throws -> Void

    static func isArchive(_ output: String) -> Bool { output.lowercased().hasSuffix(".npz") }

    /// A daemon's model, and how it is asked.
    private struct Scorer: Sendable {
        let job: SplitJob
        /// Path and query of a request.
        let path: String
    }

    /// What the scorers say of a batch, each with bits per dimension and, where those are wanted, the data of an array
    /// of log-probabilities.
    private struct BatchScores: Sendable {
        var bits: [[Double]] = []
        var data: [[UInt8]] = []
    }

    /// Scores, and writes the output.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        var stack = try ImageStack(files)
        var models: [ModelDescription] = []
        for client in clients { models.append(try await client.describeModel(retries: retries, report: report)) }
        let shape = try self.shape(of: &stack, for: models)
        let paths = try self.paths(models)
        let file = try output.map { path throws(Failure) in try Output(path) }
        let extents = [stack.count, shape.channels, shape.height, shape.width]
        var archive: NPZOutput?
        if let file, let output {
            if Self.isArchive(output) {
                let names = [NPZ.Name.logProb, "\(NPZ.Name.logProb)_against"].prefix(clients.count)
                archive = try NPZOutput(file, names.map { ($0, .float32, extents) })
            } else {
                try file.write(NPYArray.header(.float32, shape: extents))
            }
        }
        let display = ProgressDisplay(
            style: style, isQuiet: isQuiet, images: stack.count, imageValues: shape.count)
        defer { display.clear() }
        display.add(images: 0)
        let scorers = clients.indices.map { i in
            Scorer(
                job: SplitJob(client: clients[i], model: models[i], display: display, retries: retries), path: paths[i])
        }
        let most = try scorers.map { scorer throws(Failure) in try Self.imagesPerRequest(scorer.job, shape) }.min() ?? 1
        var parts = SplitJob.parts(of: stack.count, most: most).makeIterator()
        var bits = [[Double]](repeating: [], count: scorers.count)
        try await scorers[0].job.inOrder {
            try parts.next().map { try stack.read($0.count, shape) }
        } send: { batch in
            var scores = BatchScores()
            for scorer in scorers {
                let (response, data) = try await score(batch, with: scorer, shape)
                scores.bits.append(response.bitsPerDimension)
                scores.data.append(data)
            }
            return scores
        } receive: { scores in
            for i in bits.indices { bits[i] += scores.bits[i] }
            if archive != nil { try archive?.append(scores.data) } else { try file?.write(scores.data[0]) }
            display.add(images: scores.bits[0].count)
        }
        try archive?.finish()
        try file?.commit()
        display.clear()
        if let output {
            report("wrote log-probabilities to \(output == "-" ? "standard output" : output)")
        }
        // Standard output is taken where the array goes there.
        if output != "-" { try print(Scores(bits, valuesOfImage: shape.count), stack.names) }
    }

    private func report(_ line: String) { if !isQuiet { say(line) } }

    /// The shape of the images, of which both models must have a kind.
    private func shape(
        of stack: inout ImageStack, for models: [ModelDescription]
    ) throws(Failure) -> SampledImages.Shape {
        let shape = try stack.shape(for: models[0])
        for model in models {
            guard (model.channels, model.colors) == (shape.channels, shape.colors) else {
                throw Failure(
                    .usage,
                    "the model of --against has \(model.channels) channels of \(model.colors) values, the other one "
                        + "\(shape.channels) of \(shape.colors); both must be models of the same kind of images")
            }
            _ = try stack.shape(for: model)
            if let note = model.sizeNote(height: shape.height, width: shape.width) {
                report("\(files[0]): \(note): scored as they are")
            }
        }
        return shape
    }

    /// Path and query for each model. The class is for those that have classes, or for the only one.
    private func paths(_ models: [ModelDescription]) throws(Failure) -> [String] {
        let isForAll = models.allSatisfy { $0.labels == 0 }
        return try models.map { model throws(Failure) in
            let label = isForAll || model.labels > 0 ? label : nil
            return try path(model, label)
        }
    }

    private func path(_ model: ModelDescription, _ label: String?) throws(Failure) -> String {
        let label = try label.map { label throws(Failure) in ClassLabel.number(try model.class(label)) }
        do {
            return ScoreRequest(label: try model.number(ofAny: label)).path
        } catch {
            let hint = "name the images' class with --label"
            throw Failure(.usage, ModelDescription.labelHint(error, label, hint))
        }
    }

    /// A batch's scores and, as an array's data, the log-probabilities where these are wanted.
    private func score(
        _ batch: ImageStack.Batch, with scorer: Scorer, _ shape: SampledImages.Shape
    ) async throws -> (ScoreResponse, [UInt8]) {
        let type = output == nil ? MediaTypeName.json : MediaTypeName.npy
        let request = DaemonClient.Request(
            method: .POST, path: scorer.path, accept: type, contentType: MediaTypeName.npy, body: { batch.body },
            maximumBytes: HTTPExchange.maximumResponseBytes)
        return try Self.scores(try await scorer.job.send(request), type, of: batch.count, shape)
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
