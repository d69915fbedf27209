// POST /v1/score: images in, their bits per dimension (JSON) or log-probabilities (NPY) out.

import HTTPTypes
import HummingbirdCore
import ImageFormats
import PixelCNNAPI
import PixelCNNScheduler

struct ScoreRoute {
    private let exchange: Exchange
    private let model: ModelDescription
    private let limits: RequestLimits

    init(exchange: Exchange) {
        self.exchange = exchange
        model = exchange.served.model
        limits = exchange.served.limits
    }

    func respond(to request: Request) async throws -> Response {
        let scoreRequest = ScoreRequest(labelItem: try request.onlyParameter(ScoreRequest.labelItem))
        let label = try model.number(ofAny: scoreRequest.label)
        let type = try request.headers.negotiate([MediaTypeName.json, MediaTypeName.npy])
        let bodyType = request.headers.bodyType
        let allowed = [MediaTypeName.npy, MediaTypeName.png, MediaTypeName.bytes]
        guard let bodyType, allowed.contains(bodyType) else {
            throw ProblemResponse(
                .unsupportedMediaType,
                "Content-Type is \(bodyType ?? "missing"); allowed are \(allowed.joined(separator: ", "))")
        }
        var job = try await self.job(request, type: bodyType)
        job.label = label
        job.started = exchange.record.started
        let backend = exchange.served.backend
        let batch = min(job.count, limits.maximumImages)
        try backend.checkRoom(for: batch)
        exchange.record.note(job, of: model)
        try exchange.memory.hold(Self.memoryNeed(images: job.count, values: job.values.count, batch: batch))
        let scores = try await exchange.client.run { [exchange, job] in
            exchange.client.ticket.giveBack()
            return try await Self.score(job, batch: batch, with: backend)
        }
        if type == MediaTypeName.npy {
            let shape = [job.count, model.channels, job.height, job.width]
            let bytes = NPYArray.encode(scores, shape: shape)
            try exchange.memory.hold(bytes.count)
            return Response(bytes: bytes, type: type)
        }
        let response = ScoreResponse(logProbabilities: scores, count: job.count)
        return Response(bytes: try JSONCoding.encode(response), type: type)
    }

    /// Scores a stack `batch` images at a time: it never stands in line with more images than any request may.
    private static func score(
        _ job: ScoringJob, batch: Int, with backend: any ComputeBackend
    ) async throws -> [Float] {
        if job.count <= batch { return try await backend.score(job) }
        let size = job.values.count / job.count
        var scores: [Float] = []
        scores.reserveCapacity(job.values.count)
        for start in stride(from: 0, to: job.count, by: batch) {
            var part = job
            part.count = min(batch, job.count - start)
            part.values = Array(job.values[start * size..<(start + part.count) * size])
            if start > 0 { part.started = nil }
            while scores.count == start * size {
                do {
                    scores += try await backend.score(part)
                } catch SchedulerError.queueFull(let seconds) where start > 0 {
                    // What is begun is not refused any more.
                    try await Task.sleep(for: .seconds(seconds))
                }
            }
        }
        return scores
    }

    /// Of a job, and of a batch of it.
    private static func memoryNeed(images: Int, values: Int, batch: Int) -> Int {
        MemoryNeed.scores(images: images, values: values)
            + (batch < images ? MemoryNeed.scores(images: batch, values: values / images * batch) : 0)
    }

    /// Refuses a stack that is too large: its images come in batches, so only their values count.
    private func check(count: Int, height: Int, width: Int) throws(RequestError) {
        var limits = limits
        limits.maximumImages = max(limits.maximumImages, limits.maximumValues)
        try limits.check(count: count, channels: model.channels, height: height, width: width)
    }

    /// What the body is a request for; the body itself is gone then.
    private func job(_ request: Request, type: String) async throws -> ScoringJob {
        let body = try await request.wholeBody(limit: limits.maximumBodyBytes, memory: exchange.memory)
        switch type {
        case MediaTypeName.png: return try job(png: body)
        case MediaTypeName.npy: return try job(npy: body)
        default:  // whatever it is, the first bytes say
            if PNG.isBeginning(of: body) { return try job(png: body) }
            if NPYArray.isBeginning(of: body) { return try job(npy: body) }
            throw ProblemResponse(.badRequest, "the body is neither a PNG picture nor an NPY array")
        }
    }

    /// Images as an array of one of the shapes of ``ImageArrayShape``.
    private func job(npy body: [UInt8]) throws -> ScoringJob {
        let array: NPYArray
        do {
            array = try NPYArray(parsing: body)
        } catch {
            throw ProblemResponse(.badRequest, "the body is not an NPY array: \(error)")
        }
        guard let shape = ImageArrayShape(array.shape, channels: model.channels) else {
            throw RequestError.outOfRange(
                field: "shape", found: "\(array.shape)",
                allowed: ImageArrayShape.advice(array.shape, channels: model.channels))
        }
        try check(count: shape.count, height: shape.height, width: shape.width)
        let memory = exchange.memory
        try memory.hold(max(memory.bytes, MemoryNeed.scores(images: shape.count, values: array.count)))
        do {
            let values = try array.integers(as: UInt16.self, in: 0...(model.colors - 1))
            return ScoringJob(values: values, count: shape.count, height: shape.height, width: shape.width)
        } catch {
            throw ProblemResponse(.unprocessableContent, "\(error)", field: "values")
        }
    }

    /// One image.
    private func job(png body: [UInt8]) throws -> ScoringJob {
        guard model.isShownAsPNG else {
            throw ProblemResponse(
                .unsupportedMediaType,
                "a PNG cannot hold \(model.channels) channels of \(model.colors) values; send \(MediaTypeName.npy)")
        }
        let picture: Picture
        do {
            // A small file may hold very many pixels.
            let (width, height) = try PNG.size(of: body)
            try check(count: 1, height: height, width: width)
            let need = MemoryNeed.scores(images: 1, values: model.channels * height * width)
            try exchange.memory.hold(exchange.memory.bytes + need)
            picture = try PNG.decode(body, limit: height * width)
        } catch let error as PNGError {
            throw ProblemResponse(.badRequest, "the body is not a PNG picture: \(error)")
        }
        do {
            let values = try Grid.values(of: picture, channels: model.channels, colors: model.colors)
            return ScoringJob(values: values, count: 1, height: picture.height, width: picture.width)
        } catch {
            throw ProblemResponse(.unprocessableContent, "\(error)")
        }
    }
}
