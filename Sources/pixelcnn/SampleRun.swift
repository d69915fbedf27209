// One `pixelcnn sample` or `complete` from request to file: in as many requests as the daemon's limits make of it,
// shown or silently, with the same bytes either way.

import FoundationEssentials
import ImageFormats
import NIOCore
import PixelCNNAPI
import Support

struct SampleRun: Sendable {
    let client: DaemonClient
    /// All images, of a class where there are classes; it names a seed.
    let request: SampleRequest
    /// What the images start with; the request has it, too.
    let given: GivenPicture?
    /// The classes, as a person names them; each has all images.
    let labels: [String]
    let seed: UInt64
    let format: SampleRequest.ImageFormat
    let output: OutputPlace
    let style: ProgressDisplay.Style
    let wantsPreview: Bool
    let isQuiet: Bool
    let retries: RetryPolicy
    let deadline: ContinuousClock.Instant?

    /// Draws, and writes the output.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws -> SampleReport {
        let model = try await client.describeModel(retries: retries, until: end, report: report)
        let classes = try model.classes(labels)
        try given?.check(model)
        try request.check(model, classes)
        if let note = model.assumedSizeNote(request) { report(note) }
        let shape = SampledImages.Shape(
            channels: model.channels, height: request.height ?? model.height,
            width: request.width ?? model.width, colors: model.colors)
        if let given,
            let note = model.sizeNote(
                height: shape.height, width: shape.width, "completed as it is", arePictures: !given.isArray)
        {
            report("the picture is \(note)")
        }
        try checkRoom(images: request.n * classes.count, shape)
        let most = model.limits.images(ofValues: shape.count)
        if request.n > most {
            let parts = ((request.n - 1) / most + 1) * classes.count
            report("the daemon takes \(most) images of this size in one request; sending \(parts) parts")
        }
        let file = try Output(output)
        let display = ProgressDisplay(
            style: style, isQuiet: isQuiet, images: request.n * classes.count, imageValues: shape.count,
            repeatsNotes: true)
        defer { display.clear() }
        let job = SplitJob(
            client: client, model: model, display: display, retries: retries, width: 1, outlastsRestarts: false)
        try await sample(self.parts(classes, most: most), shape, classes, to: file, in: job)
        display.end()
        let written = try file.commit()
        return SampleReport(
            model, seed: seed, request, classes, files: [.init(path: written.path, sha256: written.sha256)],
            taken: written.taken)
    }

    /// Refuses a picture that does not fit the memory, which holds all of its images at once, before any is drawn.
    private func checkRoom(images: Int, _ shape: SampledImages.Shape) throws(Failure) {
        guard format == .png else { return }
        // Values, pixels, and the file.
        let (bytes, overflow) = (images * shape.count).multipliedReportingOverflow(by: 4)
        let memory = MachineLimits.current.memory
        guard overflow || bytes > memory else { return }
        let way = given == nil ? "--output-dir FOLDER writes any number, in parts, and a .npy" : "a .npy"
        throw Failure(
            .usage,
            "one PNG of \(images) images of \(shape.height) × \(shape.width) takes more than the memory that there is "
                + "(\(memory >> 20) MiB); \(way) is written while it is drawn")
    }

    /// When the daemon must have responded.
    private var end: ContinuousClock.Instant? { deadline.map { $0 + WaitLimits.deadlineMargin } }

    private func report(_ line: String) { if !isQuiet { say(line) } }

    // MARK: - Parts

    /// The images of one request.
    private struct Part: Sendable {
        var request: SampleRequest
        /// Images before it.
        let start: Int
    }

    /// The requests that together are this one, each made when its turn comes: they may be very many.
    private func parts(_ classes: [Int?], most: Int) -> some Sequence<Part> {
        classes.enumerated().lazy.flatMap { row, label in
            SplitJob.parts(of: request.n, most: most).lazy.map { images in
                Part(request: request.part(images, label: label), start: row * request.n + images.lowerBound)
            }
        }
    }

    /// Samples part by part. An array is written as it comes; a picture needs all of its images.
    private func sample(
        _ parts: some Sequence<Part>, _ shape: SampledImages.Shape, _ classes: [Int?], to output: Output,
        in job: SplitJob
    ) async throws {
        let model = job.model
        let showsPictures = self.showsPictures(model, shape)
        let count = request.n * classes.count
        var values: [UInt16] = []
        var arrays: NPZOutput?
        if format == .npy {
            try output.write(SampledImages.npyHeader(count: count, shape: shape))
        }
        var rest = parts.makeIterator()
        try await job.inOrder {
            rest.next()
        } send: { part in
            style == .silent
                ? try await collect(part.request, shape, in: job)
                : try await follow(part, shape, in: job, showsPictures: showsPictures)
        } receive: { sampled in
            switch format {
            case .npy: try output.write(NPYArray.bytes(of: sampled.values, type: shape.elementType))
            case .png: values += sampled.values
            case .npz:
                if arrays == nil { arrays = try NPZOutput(output, sampled.arrays(of: count, shape)) }
                try arrays?.append(sampled.arrayData(shape))
            }
        }
        try arrays?.finish()
        guard format == .png else { return }
        let origin = SampledImages.Origin(
            seed: seed, firstIndex: request.firstIndex, labels: classes.compactMap { $0 },
            model: model.sha256, precision: model.precision, version: model.version)
        // One row per class.
        let columns = request.columns ?? (classes.count > 1 ? request.n : nil)
        do {
            try output.write(SampledImages(values: values, shape: shape).png(columns: columns, origin: origin))
        } catch let error as GridError {
            throw Failure(.usage, "\(error)")
        }
    }

    // MARK: - One part

    /// The values of a part, requested as an array.
    private func collect(
        _ part: SampleRequest, _ shape: SampledImages.Shape, in job: SplitJob
    ) async throws -> SampledPart {
        guard part.wantsLogProbabilities else {
            let response = try await send(part, accept: MediaTypeName.npy, in: job)
            return SampledPart(values: try response.values(of: part.n, shape))
        }
        return try await send(part, accept: MediaTypeName.npz, in: job).measuredValues(of: part.n, shape)
    }

    /// The values of a part, shown as they come.
    private func follow(
        _ part: Part, _ shape: SampledImages.Shape, in job: SplitJob, showsPictures: Bool
    ) async throws -> SampledPart {
        let start = part.start
        var part = part.request
        part.imageFormat = part.wantsLogProbabilities ? .npz : .npy
        part.streamsRows = showsPictures
        let display = job.display
        if showsPictures { display.show(Preview(count: part.n, shape: shape)) }
        display.refresh()
        let before = (images: start, values: start * shape.count)
        var collector = StreamCollector(part, shape: shape, before: before)
        _ = try await send(part, accept: MediaTypeName.eventStream, in: job) {
            collector = StreamCollector(part, shape: shape, before: before)
            return { try collector.take($0, display: display) }
        }
        let sampled = try collector.result()
        display.set(imagesDone: start + part.n, valuesDone: (start + part.n) * shape.count)
        return sampled
    }

    /// Whether pictures are shown; where they are wanted and cannot be, a line says why.
    private func showsPictures(_ model: ModelDescription, _ shape: SampledImages.Shape) -> Bool {
        guard wantsPreview, case .live = style else { return false }
        let obstacle =
            model.isShownAsPNG
            ? Preview.obstacle(shape: shape, size: Terminal.size())
            : "the model has \(model.channels) channels of \(model.colors) values"
        if let obstacle { report("no preview: \(obstacle)") }
        return obstacle == nil
    }

    private func send(
        _ part: SampleRequest, accept: String, in job: SplitJob, makeConsumer: (() -> HTTPExchange.Consumer)? = nil
    ) async throws -> HTTPResponse {
        let request = DaemonClient.Request(
            method: .POST, path: Endpoint.samples, accept: accept, contentType: MediaTypeName.json,
            body: { try body(of: part) }, end: end, maximumBytes: HTTPExchange.maximumResponseBytes,
            check: { head throws(Failure) in try head.checkSeed(seed) })
        return try await job.send(request, makeConsumer: makeConsumer)
    }

    private func body(of part: SampleRequest) throws(Failure) -> [UInt8] {
        guard let deadline else { return part.json }
        var part = part
        let milliseconds = Int(((deadline - .now) / .milliseconds(1)).rounded(.up))
        guard milliseconds > 0 else {
            throw Failure(.temporaryFailure, "the deadline has passed; --deadline gives it longer")
        }
        part.deadlineMilliseconds = milliseconds
        return part.json
    }
}

/// What a run has drawn, for `--json`.
struct SampleReport: Encodable, Sendable {
    struct File: Encodable, Sendable {
        let path: String
        let sha256: String
    }

    let seed: UInt64
    let firstIndex: UInt64
    /// Images, of each class where there are several.
    let images: Int
    let labels: [Int]?
    let height: Int
    let width: Int
    let model: String
    let precision: String
    let files: [File]
    /// The default name, where it was taken.
    let taken: String?

    init(
        _ model: ModelDescription, seed: UInt64, _ request: SampleRequest, _ classes: [Int?], files: [File],
        taken: String? = nil
    ) {
        self.seed = seed
        firstIndex = request.firstIndex
        images = request.n
        labels = classes == [nil] ? nil : classes.compactMap(\.self)
        height = request.height ?? model.height
        width = request.width ?? model.width
        self.model = model.sha256
        precision = model.precision
        self.files = files
        self.taken = taken
    }

    enum CodingKeys: String, CodingKey {
        case seed, images, labels, height, width, model, precision, files
        case firstIndex = "first_index"
    }

    func print() throws {
        let json = String(decoding: try JSONCoding.encode(self), as: UTF8.self)
        try Output.print(Array(json.printableJSON.utf8))
    }
}

extension SampleRequest {
    /// Refuses in the daemon's words what no daemon would draw of this model, in parts or not: sizes are computed with.
    ///
    /// - Parameter classes: each has all images.
    func check(_ model: ModelDescription, _ classes: [Int?]) throws(Failure) {
        var limits = model.limits
        limits.maximumImages = max(limits.maximumImages, n)
        limits.maximumValues = .max
        var request = self
        request.label = classes[0].map(ClassLabel.number)
        let (count, overflow) = n.multipliedReportingOverflow(by: classes.count)
        do {
            try request.validate(against: model, limits: limits)
            limits.maximumImages = .max
            // Not even one part must be larger than a response may be.
            limits.maximumValues = model.limits.maximumValues
            try limits.check(
                count: 1, channels: model.channels, height: height ?? model.height, width: width ?? model.width)
            limits.maximumValues = overflow ? 0 : .max
            try limits.check(
                count: count, channels: model.channels, height: height ?? model.height,
                width: width ?? model.width)
        } catch {
            let hint = "name one with --label, or --label \(ModelDescription.allClasses)"
            throw Failure(.usage, ModelDescription.labelHint(error, request.label, hint))
        }
    }
}

// MARK: - What comes back

/// Images of a request, with what it wants to know of them.
struct SampledPart: Sendable {
    /// (n, C, H, W).
    var values: [UInt16]
    /// In the same order; empty where the request does not want them.
    var logProb: [Float] = []
    /// In the same order; empty where values are drawn from the model's own distribution.
    var logQ: [Float] = []

    static func += (all: inout SampledPart, part: SampledPart) {
        all.values += part.values
        all.logProb += part.logProb
        all.logQ += part.logQ
    }

    /// The arrays of a file of `count` such images.
    func arrays(
        of count: Int, _ shape: SampledImages.Shape
    ) -> [(name: String, type: NPYArray.ElementType, shape: [Int])] {
        let extents = [count, shape.channels, shape.height, shape.width]
        var arrays: [(name: String, type: NPYArray.ElementType, shape: [Int])] = [
            (NPZ.Name.samples, shape.elementType, extents), (NPZ.Name.logProb, .float32, extents),
        ]
        if !logQ.isEmpty { arrays.append((NPZ.Name.logQ, .float32, extents)) }
        return arrays
    }

    /// The data of each of these arrays.
    func arrayData(_ shape: SampledImages.Shape) -> [[UInt8]] {
        [NPYArray.bytes(of: values, type: shape.elementType), NPYArray.bytes(of: logProb)]
            + (logQ.isEmpty ? [] : [NPYArray.bytes(of: logQ)])
    }
}

// MARK: - Event streams

/// Takes the events of one part's stream: images into their places, rows into the preview, counts into the progress.
private struct StreamCollector {
    private let shape: SampledImages.Shape
    /// Images and values that were done before this part.
    private let before: (images: Int, values: Int)
    private var stream: CheckedSampleStream
    /// Images so far, by their number in the part.
    private var images: [Int: SampledPart] = [:]

    init(_ part: SampleRequest, shape: SampledImages.Shape, before: (images: Int, values: Int)) {
        self.shape = shape
        self.before = before
        stream = CheckedSampleStream(of: part, shape: shape)
    }

    /// Takes in the next piece of the stream.
    ///
    /// - Throws: the ``Problem`` that the stream ends with; ``Failure`` where it is not what it must be.
    mutating func take(_ buffer: ByteBuffer, display: ProgressDisplay) throws {
        for event in try stream.events(in: buffer.readableBytesView) {
            switch event {
            case .progress(let progress):
                display.set(
                    imagesDone: before.images + progress.imagesDone, valuesDone: before.values + progress.done)
            case .row(let image, let row, let values): display.draw(row: row, of: image, values: values)
            case .image(let image, let sampled): images[image] = sampled
            case .done: break
            }
        }
        display.refresh()
    }

    /// All images, once they are there.
    func result() throws(Failure) -> SampledPart {
        guard stream.isWhole else { throw .unknownProtocol("its stream ended before all images had come") }
        var part = SampledPart(values: [])
        part.values.reserveCapacity(images.count * shape.count)
        for image in images.sorted(by: { $0.key < $1.key }) { part += image.value }
        guard part.logQ.isEmpty || part.logQ.count == part.values.count else { throw .unequalArrays }
        return part
    }
}
