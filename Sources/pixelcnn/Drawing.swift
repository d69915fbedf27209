// One `pixelcnn sample` from request to file: in as many requests as the daemon's limits make of it, in sight or silently,
// with the same bytes either way.

import FoundationEssentials
import ImageFormats
import PixelCNNAPI

struct Drawing: Sendable {
    let client: DaemonClient
    /// All images; the seed is there.
    let request: SampleRequest
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
        let model = try await self.describeModel()
        try self.check(model)
        let shape = DrawnImages.Shape(
            channels: model.channels, height: self.request.height ?? model.height,
            width: self.request.width ?? model.width, colors: model.colors)
        let parts = self.parts(model, shape)
        let output = try Output(self.output)
        let display = DrawingDisplay(
            style: self.style, progress: DrawingProgress(images: self.request.n, imageValues: shape.count))
        defer { display.clear() }
        if parts.count == 1, display.style == .silent {
            // The daemon's file is the output.
            try await output.write(self.ask(parts[0], accept: self.mediaType, model, display).body)
        } else {
            try await self.draw(parts, shape, model, to: output, display)
        }
        display.end()
        try output.commit()
    }

    private var mediaType: String { self.format == .png ? MediaTypeName.png : MediaTypeName.npy }

    private func describeModel() async throws -> ModelDescription {
        let question = DaemonClient.Question(path: Endpoint.model, accept: MediaTypeName.json)
        let answer = try await self.client.send(question, patience: self.patience, notify: self.tell)
        return try self.client.decode(ModelDescription.self, answer)
    }

    private func tell(_ line: String) { if !self.isQuiet { say(line) } }

    // MARK: Parts

    /// Refuses in the daemon's words what no daemon would draw of this model, in parts or not: sizes are computed with.
    private func check(_ model: ModelDescription) throws(Failure) {
        var limits = model.limits
        (limits.maximumImages, limits.maximumValues) = (max(limits.maximumImages, self.request.n), .max)
        do {
            try self.request.validate(against: model, limits: limits)
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }

    /// The requests that together are this one.
    private func parts(_ model: ModelDescription, _ shape: DrawnImages.Shape) -> [SampleRequest] {
        let size = model.limits.images(ofValues: shape.count)
        guard self.request.n > size else { return [self.request] }
        let parts = stride(from: 0, to: self.request.n, by: size).map { start in
            var part = self.request
            part.n = min(size, self.request.n - start)
            part.firstIndex += UInt64(start)
            return part
        }
        self.tell("the daemon takes \(size) images of this size in one request; asking in \(parts.count) parts")
        return parts
    }

    /// Draws part by part. An array is written as it comes; a picture needs all of its images.
    private func draw(
        _ parts: [SampleRequest], _ shape: DrawnImages.Shape, _ model: ModelDescription, to output: Output,
        _ display: DrawingDisplay
    ) async throws {
        let showsPictures = self.showsPictures(model, shape)
        var values: [UInt16] = []
        if self.format == .npy { try output.write(DrawnImages.npyHeader(count: self.request.n, shape: shape)) }
        for part in parts {
            let drawn =
                display.style == .silent
                ? try await self.collect(part, shape, model, display)
                : try await self.follow(part, shape, model, display, showsPictures: showsPictures)
            if self.format == .npy {
                try output.write(NPYArray.bytes(of: drawn, type: shape.elementType))
            } else {
                values += drawn
            }
        }
        guard self.format == .png else { return }
        let origin = DrawnImages.Origin(
            seed: self.seed, firstIndex: self.request.firstIndex, model: model.sha256, precision: model.precision,
            software: "pixelcnnd \(model.version)")
        do {
            try output.write(
                DrawnImages(values: values, shape: shape).png(columns: self.request.columns, origin: origin))
        } catch let error as GridError {
            throw Failure(.usage, "\(error)")
        }
    }

    // MARK: One part

    /// The values of a part, asked for as an array.
    private func collect(
        _ part: SampleRequest, _ shape: DrawnImages.Shape, _ model: ModelDescription, _ display: DrawingDisplay
    ) async throws -> [UInt16] {
        let answer = try await self.ask(part, accept: MediaTypeName.npy, model, display)
        guard let array = try? NPYArray(parsing: answer.body),
            array.shape == [part.n, shape.channels, shape.height, shape.width],
            let values = try? array.integers(as: UInt16.self, in: 0...shape.colors - 1)
        else { throw Failure(.protocolError, "the daemon's array is not what was asked for") }
        return values
    }

    /// The values of a part, shown as they come.
    private func follow(
        _ part: SampleRequest, _ shape: DrawnImages.Shape, _ model: ModelDescription, _ display: DrawingDisplay,
        showsPictures: Bool
    ) async throws -> [UInt16] {
        var part = part
        part.imageFormat = .npy
        let start = Int(part.firstIndex - self.request.firstIndex)
        if showsPictures { display.preview = Preview(count: part.n, shape: shape) }
        part.streamsRows = showsPictures
        display.refresh()
        let before = (images: start, values: start * shape.count)
        var collector = PartCollector(part, shape: shape, before: before)
        _ = try await self.ask(part, accept: MediaTypeName.eventStream, model, display) {
            collector = PartCollector(part, shape: shape, before: before)
            return { try collector.take($0, display: display) }
        }
        let values = try collector.result()
        display.progress.imagesDone = start + part.n
        display.progress.valuesDone = (start + part.n) * shape.count
        return values
    }

    /// Whether pictures are shown; where they are wanted and cannot be, a line says why.
    private func showsPictures(_ model: ModelDescription, _ shape: DrawnImages.Shape) -> Bool {
        guard self.wantsPreview, case .live = self.style else { return false }
        let obstacle =
            model.isShownAsPNG
            ? Preview.obstacle(shape: shape, size: Terminal.size())
            : "the model has \(model.channels) channels of \(model.colors) values"
        if let obstacle { self.tell("no preview: \(obstacle)") }
        return obstacle == nil
    }

    /// Asks for a part.
    ///
    /// - Throws: ``Failure`` also where another model, or another precision, has answered than was described.
    private func ask(
        _ part: SampleRequest, accept: String, _ model: ModelDescription, _ display: DrawingDisplay,
        makeConsumer: (() -> HTTPExchange.Consumer)? = nil
    ) async throws -> HTTPAnswer {
        let question = DaemonClient.Question(
            method: .POST, path: Endpoint.samples, accept: accept, contentType: MediaTypeName.json
        ) { try self.body(of: part) }
        let answer = try await self.client.send(
            question, patience: self.patience, notify: { if !self.isQuiet { display.note($0) } },
            makeConsumer: makeConsumer)
        guard answer.headers.first(name: HeaderName.model) == model.sha256,
            answer.headers.first(name: HeaderName.precision) == model.precision
        else { throw Failure(.temporaryFailure, "the daemon has changed its model or precision meanwhile; ask again") }
        return answer
    }

    private func body(of part: SampleRequest) throws(Failure) -> [UInt8] {
        guard let deadline else { return part.json }
        var part = part
        let milliseconds = Int(((deadline - .now) / .milliseconds(1)).rounded(.up))
        guard milliseconds > 0 else { throw Failure(.temporaryFailure, "the deadline has passed") }
        part.deadlineMilliseconds = milliseconds
        return part.json
    }
}
