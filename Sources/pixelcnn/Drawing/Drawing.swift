// One `pixelcnn sample` or `complete` from request to file: in as many requests as the daemon's limits make of it, in
// sight or silently, with the same bytes either way.

import FoundationEssentials
import ImageFormats
import PixelCNNAPI

struct Drawing: Sendable {
    let client: DaemonClient
    /// All images, of a class where there are classes; the seed is there.
    let request: SampleRequest
    /// What the images start with; the request has it, too.
    let given: GivenPicture?
    /// The classes, as a person names them; each has all images.
    let labels: [String]
    let seed: UInt64
    let format: SampleRequest.ImageFormat
    /// A path, or `-`.
    let output: String
    let style: DrawingDisplay.Style
    let wantsPreview: Bool
    let isQuiet: Bool
    let patience: Patience
    let deadline: ContinuousClock.Instant?

    /// Draws, and writes the output.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        let model = try await self.client.describeModel(patience: self.patience, notify: tell)
        let classes = try model.classes(self.labels)
        try self.given?.check(model)
        try self.request.check(model, classes)
        let shape = SampledImages.Shape(
            channels: model.channels, height: self.request.height ?? model.height,
            width: self.request.width ?? model.width, colors: model.colors)
        if self.given != nil, let note = model.sizeNote(height: shape.height, width: shape.width) {
            tell("the picture is \(note): completed as it is")
        }
        let parts = self.parts(model, shape, classes)
        let output = try Output(self.output)
        let display = DrawingDisplay(
            style: self.style,
            progress: DrawingProgress(images: self.request.n * classes.count, imageValues: shape.count))
        defer { display.clear() }
        if parts.count == 1, display.style == .silent {
            // The daemon's file is the output.
            try await output.write(ask(parts[0].request, accept: mediaType, model, display).body)
        } else {
            try await draw(parts, shape, model, classes, to: output, display)
        }
        display.end()
        try output.commit()
    }

    private var mediaType: String { format == .png ? MediaTypeName.png : MediaTypeName.npy }

    private func tell(_ line: String) { if !isQuiet { say(line) } }

    // MARK: Parts

    /// What one request asks for.
    private struct Part {
        var request: SampleRequest
        /// Images before it.
        let start: Int
    }

    /// The requests that together are this one.
    private func parts(_ model: ModelDescription, _ shape: SampledImages.Shape, _ classes: [Int?]) -> [Part] {
        let (size, n) = (model.limits.images(ofValues: shape.count), self.request.n)
        let parts = classes.enumerated().flatMap { row, label in
            stride(from: 0, to: n, by: size).map { start in
                var request = self.request
                request.label = label.map(ClassLabel.number)
                request.n = min(size, n - start)
                request.firstIndex += UInt64(start)
                return Part(request: request, start: row * n + start)
            }
        }
        if n > size {
            tell("the daemon takes \(size) images of this size in one request; asking in \(parts.count) parts")
        }
        return parts
    }

    /// Draws part by part. An array is written as it comes; a picture needs all of its images.
    private func draw(
        _ parts: [Part], _ shape: SampledImages.Shape, _ model: ModelDescription, _ classes: [Int?], to output: Output,
        _ display: DrawingDisplay
    ) async throws {
        let showsPictures = self.showsPictures(model, shape)
        var values: [UInt16] = []
        if format == .npy {
            try output.write(SampledImages.npyHeader(count: request.n * classes.count, shape: shape))
        }
        for part in parts {
            let drawn =
                display.style == .silent
                ? try await collect(part.request, shape, model, display)
                : try await follow(part, shape, model, display, showsPictures: showsPictures)
            if format == .npy {
                try output.write(NPYArray.bytes(of: drawn, type: shape.elementType))
            } else {
                values += drawn
            }
        }
        guard format == .png else { return }
        let origin = SampledImages.Origin(
            seed: seed, firstIndex: request.firstIndex, labels: classes.compactMap { $0 },
            model: model.sha256, precision: model.precision, software: "pixelcnnd \(model.version)")
        // A row a class.
        let columns = request.columns ?? (classes.count > 1 ? request.n : nil)
        do {
            try output.write(SampledImages(values: values, shape: shape).png(columns: columns, origin: origin))
        } catch let error as GridError {
            throw Failure(.usage, "\(error)")
        }
    }

    // MARK: One part

    /// The values of a part, asked for as an array.
    private func collect(
        _ part: SampleRequest, _ shape: SampledImages.Shape, _ model: ModelDescription, _ display: DrawingDisplay
    ) async throws -> [UInt16] {
        try await ask(part, accept: MediaTypeName.npy, model, display).values(of: part.n, shape)
    }

    /// The values of a part, shown as they come.
    private func follow(
        _ part: Part, _ shape: SampledImages.Shape, _ model: ModelDescription, _ display: DrawingDisplay,
        showsPictures: Bool
    ) async throws -> [UInt16] {
        let start = part.start
        var part = part.request
        part.imageFormat = .npy
        if showsPictures { display.preview = Preview(count: part.n, shape: shape) }
        part.streamsRows = showsPictures
        display.refresh()
        let before = (images: start, values: start * shape.count)
        var collector = PartCollector(part, shape: shape, before: before)
        _ = try await ask(part, accept: MediaTypeName.eventStream, model, display) {
            collector = PartCollector(part, shape: shape, before: before)
            return { try collector.take($0, display: display) }
        }
        let values = try collector.result()
        display.progress.imagesDone = start + part.n
        display.progress.valuesDone = (start + part.n) * shape.count
        return values
    }

    /// Whether pictures are shown; where they are wanted and cannot be, a line says why.
    private func showsPictures(_ model: ModelDescription, _ shape: SampledImages.Shape) -> Bool {
        guard wantsPreview, case .live = style else { return false }
        let obstacle =
            model.isShownAsPNG
            ? Preview.obstacle(shape: shape, size: Terminal.size())
            : "the model has \(model.channels) channels of \(model.colors) values"
        if let obstacle { tell("no preview: \(obstacle)") }
        return obstacle == nil
    }

    /// Asks for a part.
    ///
    /// - Throws: ``Failure`` also where another model, or another precision, answers than was described.
    private func ask(
        _ part: SampleRequest, accept: String, _ model: ModelDescription, _ display: DrawingDisplay,
        makeConsumer: (() -> HTTPExchange.Consumer)? = nil
    ) async throws -> HTTPAnswer {
        let question = DaemonClient.Question(
            method: .POST, path: Endpoint.samples, accept: accept, contentType: MediaTypeName.json,
            body: { try body(of: part) }, check: model.checkAnswered)
        return try await client.send(
            question, patience: patience, notify: { if !isQuiet { display.note($0) } },
            makeConsumer: makeConsumer)
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

extension HTTPAnswer {
    /// The values of an answer that is an array of `count` images.
    func values(of count: Int, _ shape: SampledImages.Shape) throws(Failure) -> [UInt16] {
        guard let array = try? NPYArray(parsing: body),
            array.shape == [count, shape.channels, shape.height, shape.width],
            let values = try? array.integers(as: UInt16.self, in: 0...shape.colors - 1)
        else { throw Failure(.protocolError, "the daemon's array is not what was asked for") }
        return values
    }
}

extension SampleRequest {
    /// Refuses in the daemon's words what no daemon would draw of this model, in parts or not: sizes are computed with.
    ///
    /// - Parameter classes: each has all images.
    func check(_ model: ModelDescription, _ classes: [Int?]) throws(Failure) {
        var limits = model.limits
        (limits.maximumImages, limits.maximumValues) = (max(limits.maximumImages, n), .max)
        var request = self
        request.label = classes[0].map(ClassLabel.number)
        let (count, overflow) = n.multipliedReportingOverflow(by: classes.count)
        do {
            try request.validate(against: model, limits: limits)
            limits.maximumImages = .max
            try limits.check(
                count: overflow ? .max : count, channels: model.channels, height: height ?? model.height,
                width: width ?? model.width)
        } catch {
            let hint = "name one with --label, or --label \(ModelDescription.allClasses)"
            throw Failure(.usage, ModelDescription.labelHint(error, request.label, hint))
        }
    }
}
