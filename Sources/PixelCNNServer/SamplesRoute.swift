// POST /v1/samples: JSON in, a PNG grid, an NPY array or an event stream out. The answer depends on the request alone
// (and the seed drawn for it, which the answer names), so the same request gives the same values again.

import HTTPTypes
import Hummingbird
import ImageFormats
import PixelCNNAPI
import PixelCNNScheduler

struct SamplesRoute {
    /// JSON, and what `curl -d` calls its data where it is told nothing: the body is read as JSON either way.
    static let bodyTypes = [MediaTypeName.json, "application/x-www-form-urlencoded"]

    let state: ServedModel

    func respond(to request: Request, context: ServerContext) async throws -> Response {
        try request.refuseQuery()
        let type = try negotiate(request.headers)
        let isStreamed = type == MediaTypeName.eventStream
        var sampleRequest = try await read(request, context.memory)
        let given = try sampleRequest.given.map { try GivenFiles($0, self.state.model, self.state.limits) }
        try given?.giveSize(to: &sampleRequest)
        try sampleRequest.validate(against: self.state.model, limits: self.state.limits, isStreamed: isStreamed)
        sampleRequest.given = nil  // the files are on their way

        var job = try self.job(for: sampleRequest)
        job.given = try given?.pixels(holding: context.memory)
        job.started = context.record.started
        let headers: HTTPFields = [.pixelCNNSeed: "\(job.seed)"]
        let backend = self.state.backend
        try backend.checkRoom(for: job.count)
        context.record.note(
            drawn(sampleRequest, as: job), given?.record ?? [:], type: type, of: self.state.model)
        let values = job.count * shape(of: job).count
        let kept = job.given.map { MemoryNeed.given(pixels: job.height * job.width, values: $0.values.count) } ?? 0
        if isStreamed {
            let rows = sampleRequest.streamsRows ? job.count * job.height : 0
            try context.memory.hold(kept + MemoryNeed.stream(images: job.count, values: values, rows: rows))
            let stream = try await SampleStream.start(
                job, encoder: encoder(for: sampleRequest, job: job), streamsRows: sampleRequest.streamsRows,
                backend: backend, context: context)
            return stream.response(headers: headers)
        }
        try context.memory.hold(kept + MemoryNeed.samples(images: job.count, values: values))
        let images = SampledImages(
            values: try await context.watch.cancellingOnClose { [job] in
                context.pass.giveBack()
                return try await backend.sample(job)
            },
            shape: shape(of: job))
        let bytes =
            type == MediaTypeName.png
            ? try images.png(columns: sampleRequest.columns, origin: origin(of: job)) : images.npy()
        try context.memory.hold(bytes.count)
        return Response(headers: headers, bytes: bytes, type: type)
    }

    /// The request that the body is; the body itself is gone then.
    private func read(_ request: Request, _ memory: RequestMemory) async throws -> SampleRequest {
        let body = try await request.wholeBody(limit: state.limits.maximumBodyBytes, memory: memory)
        if let found = request.headers.bodyType, !body.isEmpty, !Self.bodyTypes.contains(found) {
            throw ProblemAnswer(.unsupportedMediaType, "Content-Type is \(found); allowed is \(MediaTypeName.json)")
        }
        try memory.hold(MemoryNeed.json(body.count))
        return try SampleRequest(json: body)
    }

    private func negotiate(_ headers: HTTPFields) throws -> String {
        state.model.isShownAsPNG
            ? try headers.negotiate([MediaTypeName.png, MediaTypeName.npy, MediaTypeName.eventStream])
            : try headers.negotiate(
                [MediaTypeName.npy, MediaTypeName.eventStream],
                else: "a PNG shows 1 or 3 channels of at most 256 values; the model has "
                    + "\(state.model.channels) of \(state.model.colors)")
    }

    private func job(for request: SampleRequest) throws -> SamplingJob {
        SamplingJob(
            count: request.n, seed: request.seed ?? SampleRequest.drawSeed(), firstIndex: request.firstIndex,
            height: request.height ?? state.model.height, width: request.width ?? state.model.width,
            label: try state.model.number(ofAny: request.label),
            parameters: SamplingParameters(
                temperature: Float(request.temperature), topK: request.topK, topP: request.topP.map(Float.init)),
            deadline: request.deadlineMilliseconds.map { .now + .milliseconds($0) })
    }

    /// The request with the seed, size and class that its images are drawn with.
    private func drawn(_ request: SampleRequest, as job: SamplingJob) -> SampleRequest {
        var request = request
        request.seed = job.seed
        request.height = job.height
        request.width = job.width
        request.label = job.label.map(ClassLabel.number)
        return request
    }

    private func shape(of job: SamplingJob) -> SampledImages.Shape {
        .init(
            channels: state.model.channels, height: job.height, width: job.width, colors: state.model.colors)
    }

    private func origin(of job: SamplingJob) -> SampledImages.Origin {
        .init(
            seed: job.seed, firstIndex: job.firstIndex, labels: job.label.map { [$0] } ?? [],
            model: state.model.sha256, precision: state.model.precision,
            software: "pixelcnnd \(state.model.version)")
    }

    private func encoder(for request: SampleRequest, job: SamplingJob) -> SampleEventEncoder {
        SampleEventEncoder(
            count: job.count, shape: shape(of: job), origin: origin(of: job),
            format: request.imageFormat ?? (state.model.isShownAsPNG ? .png : .npy))
    }
}
