// One `pixelcnn score` from files to output: the images in batches, whatever their number, with the same bytes as one
// request for all of them would give.

import ImageFormats
import PixelCNNAPI

struct Scoring: Sendable {
    let client: DaemonClient
    let files: [String]
    /// The class, as a person names it.
    let label: String?
    /// Where log-probabilities go, a path or `-`; nil where they are not wanted.
    let output: String?
    let style: DrawingDisplay.Style
    let isQuiet: Bool
    let patience: PatienceOptions
    /// Prints the scores, with a name for each image.
    let print: @Sendable (ScoreResponse, [String]) throws -> Void

    /// Scores, and writes the output.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        var stack = try ImageStack(self.files)
        let model = try await self.client.describeModel(patience: self.patience.patience(), notify: tell)
        let shape = try stack.shape(for: model)
        if let note = model.sizeNote(height: shape.height, width: shape.width) {
            tell("\(self.files[0]): \(note): scored as they are")
        }
        let path = try self.path(model)
        let output = try self.output.map { path throws(Failure) in try Output(path) }
        try output?.write(
            NPYArray.header(.float32, shape: [stack.count, shape.channels, shape.height, shape.width]))
        let display = SharedDisplay(
            style: self.style, isQuiet: self.isQuiet, images: stack.count, imageValues: shape.count)
        defer { display.clear() }
        let job = LongJob(client: self.client, patience: self.patience, model: model, display: display)
        let type = output == nil ? MediaTypeName.json : MediaTypeName.npy
        let most = try Self.images(job, shape)
        var bits: [Double] = []
        try await job.inOrder {
            try stack.batch(most, shape)
        } ask: { batch in
            let question = DaemonClient.Question(
                method: .POST, path: path, accept: type, contentType: MediaTypeName.npy
            ) { batch.body }
            let answer = try await job.ask(question)
            return try Self.scores(answer, type, of: batch.count, shape, self.client)
        } take: { scores, data in
            bits += scores.bitsPerDimension
            try output?.write(data)
            display.show(more: scores.bitsPerDimension.count)
        }
        try output?.commit()
        display.clear()
        if let output = self.output {
            tell("wrote log-probabilities to \(output == "-" ? "standard output" : output)")
        }
        // Standard output is taken where the array goes there.
        if self.output != "-" { try self.print(ScoreResponse(bitsPerDimension: bits), stack.names) }
    }

    private func tell(_ line: String) { if !isQuiet { say(line) } }

    private func path(_ model: ModelDescription) throws(Failure) -> String {
        let label = try self.label.map { label throws(Failure) in ClassLabel.number(try model.class(label)) }
        do {
            return ScoreRequest(label: try model.number(ofAny: label)).path
        } catch {
            let hint = "name the images' class with --label"
            throw Failure(.usage, ModelDescription.labelHint(error, label, hint))
        }
    }

    /// Images of a request: no more than fit the daemon's bound of a body.
    private static func images(_ job: LongJob, _ shape: SampledImages.Shape) throws(Failure) -> Int {
        let most = job.imagesOfRequest(shape)
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

    /// A batch's scores and, as an array's data, the log-probabilities where these were asked for.
    private static func scores(
        _ answer: HTTPAnswer, _ type: String, of count: Int, _ shape: SampledImages.Shape, _ client: DaemonClient
    ) throws(Failure) -> (ScoreResponse, [UInt8]) {
        if type == MediaTypeName.json {
            let scores = try client.decode(ScoreResponse.self, answer)
            guard scores.bitsPerDimension.count == count else {
                throw Failure(
                    .protocolError, "the daemon has scored \(scores.bitsPerDimension.count) of \(count) images")
            }
            return (scores, [])
        }
        guard let array = try? NPYArray(parsing: answer.body), array.elementType == .float32,
            array.shape == [count, shape.channels, shape.height, shape.width]
        else { throw Failure(.protocolError, "the daemon's array is not what was asked for") }
        let scores = ScoreResponse(logProbabilities: array.floats(), count: count)
        return (scores, Array(answer.body.suffix(array.count * array.elementType.size)))
    }
}
