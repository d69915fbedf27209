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
            JPEG, WebP, BMP or TIFF of one image; - stands for one of these on standard input. A folder stands for all \
            such files in it and in its subfolders. Several files are one stack of images, which may be larger than \
            memory: they are read and sent in batches.

            With --label all, each image is scored under every class, and gets the class that predicts it best: the \
            likeliest one, if all are equally frequent.

            With --against, a second daemon scores the same images, too, and each image gets its log-likelihood ratio \
            in nats: how much more probable it is under the first model than under the second. Bits per dimension \
            also say how simple an image is; the ratio does not, so outliers are the images with the lowest ratios.

            EXAMPLES
              pixelcnn score images.npy
              pixelcnn score face.png -o log_prob.npy
              pixelcnn score images.npy -o scores.npz
              pixelcnn score train-*.npy faces/ --json
              pixelcnn score photos/ --size 32 | sort -k 2 -g | tail -n 3  # the least probable
              pixelcnn score flags.npy --label flags
              pixelcnn score unknown/ --label all
              curl https://example.org/face.jpg | pixelcnn score -
              pixelcnn score images.npy --against other.sock
            """
    )

    @Argument(
        help: ArgumentHelp("The images: arrays, pictures, or folders of them.", valueName: "file"),
        completion: .file(extensions: ImageKind.endings))
    var files: [String]

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The images' class, if the model has classes: its number, its name, or the beginning of its name; all finds \
            the likeliest class of each image.
            """,
            valueName: "class"),
        completion: .classes(and: [ModelDescription.allClasses]))
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

    @Flag(help: "Print JSON: the scores, and each image's file and its index there.")
    var json = false

    @OptionGroup
    var pictures: PictureOptions

    @OptionGroup
    var progress: ProgressOptions

    @OptionGroup
    var retries: RetryOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        try PictureOptions.checkStandardInput(files)
        guard against == nil || label != ModelDescription.allClasses else {
            throw ValidationError("--against and --label \(ModelDescription.allClasses) exclude each other")
        }
    }

    func run() async throws {
        try await Failure.reporting {
            let output = self.output.map { OutputPlace($0) }
            try output?.check()
            if let output, ScoreRun.isArchive(output) { try NPZOutput.check(output) }
            let wait = retries.startWait
            let clients =
                try [connection.client(startWait: wait)]
                + (against.map { [try connection.client(at: $0, startWait: wait)] } ?? [])
            let run = ScoreRun(
                clients: clients, files: files, size: pictures.size, background: pictures.background, label: label,
                output: output, style: progress.style(), isQuiet: progress.quiet, retries: retries.policy(),
                printsJSON: json)
            try await Interruption.cancelling(run.run)
        }
    }
}

/// The scores of a stack, and what they are of.
private struct StackScores: Sendable {
    let scores: ScoreResponse
    /// Those of the other model, where two are compared.
    let against: ScoreResponse?
    /// What people call each image.
    let names: [String]
    let places: [(file: String, index: Int)]
    /// The likeliest class of each image, where all were tried.
    let labels: [Int]?
    let labelNames: [String]
    let valuesOfImage: Int

    /// How much more probable each image is under the model than under the other one, in nats.
    private var logRatio: [Double]? {
        against.map { against in
            zip(scores.bitsPerDimension, against.bitsPerDimension).map {
                ($1 - $0) * Double(valuesOfImage) * log(2.0)
            }
        }
    }

    private struct Report: Encodable {
        let bitsPerDimension: [Double]
        let meanBitsPerDimension: Double
        let files: [String]
        let indexes: [Int]
        let labels: [Int]?
        let labelNames: [String]?
        let against: ScoreResponse?
        let logRatio: [Double]?

        enum CodingKeys: String, CodingKey {
            case files, indexes, labels, against
            case bitsPerDimension = "bits_per_dim"
            case meanBitsPerDimension = "mean_bits_per_dim"
            case labelNames = "label_names"
            case logRatio = "log_ratio"
        }
    }

    func printJSON() throws {
        let report = Report(
            bitsPerDimension: scores.bitsPerDimension, meanBitsPerDimension: scores.meanBitsPerDimension,
            files: places.map(\.file), indexes: places.map(\.index), labels: labels,
            labelNames: labelNames.isEmpty ? nil : labels?.map { labelNames[$0] }, against: against,
            logRatio: logRatio)
        let json = String(decoding: try JSONCoding.encode(report), as: UTF8.self)
        try Output.print(Array(json.printableJSON.utf8))
    }

    func printTable() throws {
        try Output.print(Array((Table.format(against == nil ? rows() : comparedRows()) + "\n").utf8))
    }

    private func rows() -> [(String, String)] {
        func text(_ bits: Double) -> String { String(format: "%.6f", bits) }
        var rows = zip(names, scores.bitsPerDimension).map { ($0, text($1)) }
        for (image, label) in (labels ?? []).enumerated() {
            rows[image].1 += "  \(label)" + (labelNames.isEmpty ? "" : " \(labelNames[label])")
        }
        rows.append(("mean", text(scores.meanBitsPerDimension) + " bits/dim"))
        return rows
    }

    private func comparedRows() -> [(String, String)] {
        guard let against, let ratios = logRatio else { return [] }
        func columns(_ bits: Double, _ other: Double, _ ratio: Double) -> String {
            String(format: "%10.6f  %10.6f  %12.3f", bits, other, ratio)
        }
        var rows = [("", "  bits/dim     against  ratio (nats)")]
        for i in names.indices {
            rows.append((names[i], columns(scores.bitsPerDimension[i], against.bitsPerDimension[i], ratios[i])))
        }
        let mean = ratios.reduce(0, +) / Double(ratios.count)
        rows.append(("mean", columns(scores.meanBitsPerDimension, against.meanBitsPerDimension, mean)))
        return rows
    }
}

/// One run from files to output.
private struct ScoreRun: Sendable {
    /// Of the daemon, and of another one where their models are compared.
    let clients: [DaemonClient]
    let files: [String]
    /// What pictures become.
    let size: ImageSize?
    let background: Background?
    /// The class, as a person names it.
    let label: String?
    /// Where log-probabilities go; nil where they are not wanted.
    let output: OutputPlace?
    let style: ProgressDisplay.Style
    let isQuiet: Bool
    let retries: RetryPolicy
    let printsJSON: Bool

    static func isArchive(_ output: OutputPlace) -> Bool { output.name.lowercased().hasSuffix(".npz") }

    /// A daemon's model and a class, under which every image is scored.
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
        var stack = try ImageStack(files, size: size, background: background)
        for note in stack.notes { report("warning: \(note)") }
        try output?.check(reading: stack.paths)
        var models: [ModelDescription] = []
        for client in clients { models.append(try await client.describeModel(retries: retries, report: report)) }
        let shape = try self.shape(of: &stack, for: models)
        let labels = try self.labels(models)
        let file = try output.map { place throws(Failure) in try Output(place) }
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
        let scorers = clients.indices.flatMap { i in
            let job = SplitJob(client: clients[i], model: models[i], display: display, retries: retries)
            return labels[i].map { Scorer(job: job, path: ScoreRequest(label: $0).path) }
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
        let written = try file?.commit()
        display.clear()
        if let written { report("wrote log-probabilities to \(written.path)") }
        // Standard output is taken where the array goes there.
        guard output != .standardOutput else { return }
        // Of classes that predict an image equally well, the first.
        let classes = labels[0].count
        let best = bits[0].indices.map { image in
            (0..<classes).min { (bits[$0][image], $0) < (bits[$1][image], $1) } ?? 0
        }
        let scores = StackScores(
            scores: ScoreResponse(bitsPerDimension: best.enumerated().map { bits[$1][$0] }),
            against: clients.count > 1 ? ScoreResponse(bitsPerDimension: bits[classes]) : nil, names: stack.names,
            places: stack.places, labels: classes > 1 ? best.map { labels[0][$0] ?? 0 } : nil,
            labelNames: models[0].labelNames, valuesOfImage: shape.count)
        try printsJSON ? scores.printJSON() : scores.printTable()
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
            if let note = model.sizeNote(
                height: shape.height, width: shape.width, "scored as they are", arePictures: stack.arePictures)
            {
                report("\(files[0]): \(note)")
            }
        }
        return shape
    }

    /// The classes under which each model scores: the named one, or all, for those that have classes, or for the only
    /// one; a single nil for a model that has none.
    private func labels(_ models: [ModelDescription]) throws(Failure) -> [[Int?]] {
        let isForAll = models.allSatisfy { $0.labels == 0 }
        return try models.map { model throws(Failure) in
            try classes(model, isForAll || model.labels > 0 ? label : nil)
        }
    }

    private func classes(_ model: ModelDescription, _ label: String?) throws(Failure) -> [Int?] {
        let classes = try model.classes([label].compactMap(\.self))
        if classes.count > 1, output != nil {
            throw Failure(.usage, "-o and --label \(ModelDescription.allClasses) exclude each other: name one class")
        }
        do {
            if classes == [nil] { _ = try model.number(ofAny: nil) }
            return classes
        } catch {
            let hint = "name the images' class with --label, or --label \(ModelDescription.allClasses)"
            throw Failure(.usage, ModelDescription.labelHint(error, nil, hint))
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
