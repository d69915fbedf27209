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

            EXAMPLES
              pixelcnn score images.npy
              pixelcnn score face.png -o log_prob.npy
              pixelcnn score train-*.npy faces/ --json
              pixelcnn score flags.npy --label flags
              pixelcnn score unknown/ --label all
              curl https://example.org/face.jpg | pixelcnn score -
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
        name: .shortAndLong,
        help: ArgumentHelp("Write the log-probabilities (NPY, float32, nats) here.", valueName: "file"),
        completion: .file(extensions: ["npy"]))
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

    func validate() throws { try PictureOptions.checkStandardInput(files) }

    func run() async throws {
        try await Failure.reporting {
            let output = self.output.map { OutputPlace($0) }
            try output?.check()
            let run = ScoreRun(
                client: try connection.client(startWait: retries.startWait), files: files,
                background: pictures.background, label: label, output: output, style: progress.style(),
                isQuiet: progress.quiet, retries: retries.policy(), printsJSON: json)
            try await Interruption.cancelling(run.run)
        }
    }
}

/// The scores of a stack, and what they are of.
private struct StackScores: Sendable {
    let scores: ScoreResponse
    /// What people call each image.
    let names: [String]
    let places: [(file: String, index: Int)]
    /// The likeliest class of each image, where all were tried.
    let labels: [Int]?
    let labelNames: [String]

    private struct Report: Encodable {
        let bitsPerDimension: [Double]
        let meanBitsPerDimension: Double
        let files: [String]
        let indexes: [Int]
        let labels: [Int]?
        let labelNames: [String]?

        enum CodingKeys: String, CodingKey {
            case files, indexes, labels
            case bitsPerDimension = "bits_per_dim"
            case meanBitsPerDimension = "mean_bits_per_dim"
            case labelNames = "label_names"
        }
    }

    func printJSON() throws {
        let report = Report(
            bitsPerDimension: scores.bitsPerDimension, meanBitsPerDimension: scores.meanBitsPerDimension,
            files: places.map(\.file), indexes: places.map(\.index), labels: labels,
            labelNames: labelNames.isEmpty ? nil : labels?.map { labelNames[$0] })
        let json = String(decoding: try JSONCoding.encode(report), as: UTF8.self)
        try Output.print(Array(json.printableJSON.utf8))
    }

    func printTable() throws {
        func text(_ bits: Double) -> String { String(format: "%.6f", bits) }
        var rows = zip(names, scores.bitsPerDimension).map { ($0, text($1)) }
        for (image, label) in (labels ?? []).enumerated() {
            rows[image].1 += "  \(label)" + (labelNames.isEmpty ? "" : " \(labelNames[label])")
        }
        rows.append(("mean", text(scores.meanBitsPerDimension) + " bits/dim"))
        try Output.print(Array((Table.format(rows) + "\n").utf8))
    }
}

/// One run from files to output.
private struct ScoreRun: Sendable {
    let client: DaemonClient
    let files: [String]
    let background: Background?
    /// The class, as a person names it.
    let label: String?
    /// Where log-probabilities go; nil where they are not wanted.
    let output: OutputPlace?
    let style: ProgressDisplay.Style
    let isQuiet: Bool
    let retries: RetryPolicy
    let printsJSON: Bool

    /// A batch to be scored under a class.
    private struct Part: Sendable {
        let batch: ImageStack.Batch
        let path: String
        /// Whether its images have been scored under every class then.
        let isLast: Bool
    }

    /// Scores, and writes the output.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        var stack = try ImageStack(files, background: background)
        for note in stack.notes { report("warning: \(note)") }
        try output?.check(reading: stack.paths)
        let model = try await client.describeModel(retries: retries, report: report)
        let shape = try stack.shape(for: model)
        if let note = model.sizeNote(height: shape.height, width: shape.width) {
            report("\(files[0]): \(note): scored as they are")
        }
        let classes = try self.classes(model)
        let file = try output.map { place throws(Failure) in try Output(place) }
        try file?.write(
            NPYArray.header(.float32, shape: [stack.count, shape.channels, shape.height, shape.width]))
        let display = ProgressDisplay(
            style: style, isQuiet: isQuiet, images: stack.count, imageValues: shape.count)
        defer { display.clear() }
        display.add(images: 0)
        let job = SplitJob(client: client, model: model, display: display, retries: retries)
        let type = output == nil ? MediaTypeName.json : MediaTypeName.npy
        var batches = SplitJob.parts(of: stack.count, most: try Self.imagesPerRequest(job, shape)).makeIterator()
        var parts: [Part] = []  // of a batch, the next at the end
        var bits: [Double] = []
        var labels: [Int] = []
        var tried: [[Double]] = []  // of a batch, by class
        try await job.inOrder {
            if parts.isEmpty, let images = batches.next() {
                let batch = try stack.read(images.count, shape)
                parts = classes.enumerated().reversed().map { number, label in
                    Part(batch: batch, path: ScoreRequest(label: label).path, isLast: number == classes.count - 1)
                }
            }
            return parts.popLast()
        } send: { part in
            let request = DaemonClient.Request(
                method: .POST, path: part.path, accept: type, contentType: MediaTypeName.npy,
                body: { part.batch.body }, maximumBytes: HTTPExchange.maximumResponseBytes)
            let response = try await job.send(request)
            let (scores, data) = try Self.scores(response, type, of: part.batch.count, shape)
            return (scores: scores, data: data, isLast: part.isLast)
        } receive: { part in
            try file?.write(part.data)
            tried.append(part.scores.bitsPerDimension)
            guard part.isLast else { return }
            for image in part.scores.bitsPerDimension.indices {
                // Of classes that predict it equally well, the first.
                let best = tried.indices.min { (tried[$0][image], $0) < (tried[$1][image], $1) } ?? 0
                bits.append(tried[best][image])
                labels.append(best)
            }
            display.add(images: part.scores.bitsPerDimension.count)
            tried = []
        }
        let written = try file?.commit()
        display.clear()
        if let written { report("wrote log-probabilities to \(written.path)") }
        // Standard output is taken where the array goes there.
        guard output != .standardOutput else { return }
        let scores = StackScores(
            scores: ScoreResponse(bitsPerDimension: bits), names: stack.names, places: stack.places,
            labels: classes.count > 1 ? labels.map { classes[$0] ?? 0 } : nil, labelNames: model.labelNames)
        try printsJSON ? scores.printJSON() : scores.printTable()
    }

    private func report(_ line: String) { if !isQuiet { say(line) } }

    /// The class of the images, or all of them; a single nil for the images of a model that has none.
    private func classes(_ model: ModelDescription) throws(Failure) -> [Int?] {
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
