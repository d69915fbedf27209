// POST /v1/samples: JSON in, a PNG grid, an NPY array, an NPZ archive with log-probabilities or an event stream out.
// The response depends on the request alone (and the seed drawn for it, which the response names), so the same request
// gives the same values again.

import HTTPTypes
import HummingbirdCore
import ImageFormats
import PixelCNNAPI
import PixelCNNScheduler

struct SamplesRoute {
    /// JSON, and what `curl -d` calls its data by default: the body is read as JSON either way.
    static let bodyTypes = [MediaTypeName.json, "application/x-www-form-urlencoded"]

    private let exchange: Exchange
    private let model: ModelDescription
    private let limits: RequestLimits

    init(exchange: Exchange) {
        self.exchange = exchange
        model = exchange.served.model
        limits = exchange.served.limits
    }

    func respond(to request: Request) async throws -> Response {
        try request.refuseQuery()
        _ = try request.headers.negotiate(Self.types)
        var sampleRequest = try await read(request)
        let type = try negotiate(request.headers, for: sampleRequest)
        let isStreamed = type == MediaTypeName.eventStream
        let given = try sampleRequest.given.map { try GivenFiles($0, model, limits) }
        try given?.giveSize(to: &sampleRequest)
        try sampleRequest.validate(against: model, limits: limits, isStreamed: isStreamed)
        sampleRequest.given = nil  // the files are on their way

        var job = try self.job(for: sampleRequest)
        job.given = try given?.pixels(holding: exchange.memory)
        job.started = exchange.record.started
        let headers: HTTPFields = [.pixelCNNSeed: "\(job.seed)"]
        let backend = exchange.served.backend
        try backend.checkRoom(for: job.count)
        exchange.record.note(drawn(sampleRequest, as: job), given?.record ?? [:], type: type, of: model)
        let values = job.count * shape(of: job).count
        let kept = job.given.map { MemoryNeed.given(pixels: job.height * job.width, values: $0.values.count) } ?? 0
        if isStreamed {
            let rows = sampleRequest.streamsRows ? job.count * job.height : 0
            try exchange.memory.hold(
                kept
                    + MemoryNeed.stream(
                        images: job.count, values: values, rows: rows, measuresDraws: job.measuresDraws))
            let stream = try await SampleStream(
                job, encoder: encoder(for: sampleRequest, job: job), streamsRows: sampleRequest.streamsRows,
                exchange: exchange)
            return stream.response(headers: headers)
        }
        let measured = job.measuresDraws ? MemoryNeed.logProbabilities(images: job.count, values: values) : 0
        try exchange.memory.hold(kept + MemoryNeed.samples(images: job.count, values: values) + measured)
        let sampled = try await exchange.client.run { [exchange, job] in
            exchange.client.ticket.giveBack()
            return try await backend.sampled(job)
        }
        let bytes = try self.bytes(of: sampled, as: type, columns: sampleRequest.columns, job)
        try exchange.memory.hold(bytes.count)
        return Response(headers: headers, bytes: bytes, type: type)
    }

    private func bytes(
        of sampled: SampledValues, as type: String, columns: Int?, _ job: SamplingJob
    ) throws -> [UInt8] {
        let images = SampledImages(values: sampled.values, shape: shape(of: job))
        if type == MediaTypeName.png { return try images.png(columns: columns, origin: origin(of: job)) }
        guard let logProbabilities = sampled.logProbabilities else { return images.npy() }
        return images.npz(logProb: logProbabilities.model, logQ: logProbabilities.proposal)
    }

    /// The request that the body is; the body itself is gone then.
    private func read(_ request: Request) async throws -> SampleRequest {
        let body = try await request.wholeBody(limit: limits.maximumBodyBytes, memory: exchange.memory)
        if let found = request.headers.bodyType, !body.isEmpty, !Self.bodyTypes.contains(found) {
            throw ProblemResponse(.unsupportedMediaType, "Content-Type is \(found); allowed is \(MediaTypeName.json)")
        }
        try exchange.memory.hold(MemoryNeed.json(body.count))
        return try SampleRequest(json: body)
    }

    /// Of a response to any request; an `Accept` with none of them is refused before the body comes.
    private static let types = [MediaTypeName.png, MediaTypeName.npy, MediaTypeName.npz, MediaTypeName.eventStream]

    private func negotiate(_ headers: HTTPFields, for request: SampleRequest) throws -> String {
        if request.wantsLogProbabilities {
            return try headers.negotiate(
                [MediaTypeName.npz, MediaTypeName.eventStream], else: "with \"log_prob\": true")
        }
        let isNPZ = "\(MediaTypeName.npz) needs \"log_prob\": true"
        return model.isShownAsPNG
            ? try headers.negotiate([MediaTypeName.png, MediaTypeName.npy, MediaTypeName.eventStream], else: isNPZ)
            : try headers.negotiate(
                [MediaTypeName.npy, MediaTypeName.eventStream],
                else: "a PNG shows 1 or 3 channels of at most 256 values; the model has "
                    + "\(model.channels) of \(model.colors); \(isNPZ)")
    }

    private func job(for request: SampleRequest) throws -> SamplingJob {
        var job = SamplingJob(
            count: request.n, seed: request.seed ?? SampleRequest.drawSeed(), firstIndex: request.firstIndex,
            height: request.height ?? model.height, width: request.width ?? model.width,
            label: try model.number(ofAny: request.label),
            parameters: SamplingParameters(
                temperature: Float(request.temperature), topK: request.topK, topP: request.topP.map(Float.init)),
            deadline: request.deadlineMilliseconds.map { .now + .milliseconds($0) })
        job.measuresDraws = request.wantsLogProbabilities
        return job
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
            channels: model.channels, height: job.height, width: job.width, colors: model.colors)
    }

    private func origin(of job: SamplingJob) -> SampledImages.Origin {
        .init(
            seed: job.seed, firstIndex: job.firstIndex, labels: job.label.map { [$0] } ?? [],
            model: model.sha256, precision: model.precision, version: model.version)
    }

    private func encoder(for request: SampleRequest, job: SamplingJob) -> SampleEventEncoder {
        SampleEventEncoder(
            count: job.count, shape: shape(of: job), origin: origin(of: job),
            format: request.imageFormat ?? (model.isShownAsPNG ? .png : .npy))
    }
}
