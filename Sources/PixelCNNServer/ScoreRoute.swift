// POST /v1/score: images in, their bits per dimension (JSON) or log-probabilities (NPY) out.

import HTTPTypes
import Hummingbird
import ImageFormats
import PixelCNNAPI
import PixelCNNScheduler

struct ScoreRoute {
    let state: ServedModel

    func respond(to request: Request, context: ServerContext) async throws -> Response {
        let scoreRequest = ScoreRequest(labelItem: try request.onlyParameter(ScoreRequest.labelItem))
        let label = try self.state.model.number(ofAny: scoreRequest.label)
        let type = try request.headers.negotiate([MediaTypeName.json, MediaTypeName.npy])
        let bodyType = request.headers.bodyType
        guard let bodyType, [MediaTypeName.npy, MediaTypeName.png].contains(bodyType) else {
            throw ProblemAnswer(
                .unsupportedMediaType,
                "Content-Type is \(bodyType ?? "missing"); allowed are \(MediaTypeName.npy), \(MediaTypeName.png)")
        }
        var job = try await self.job(request, isPNG: bodyType == MediaTypeName.png, context.memory)
        job.label = label
        job.started = context.record.started
        let (backend, batch) = (self.state.backend, min(job.count, self.state.limits.maximumImages))
        try backend.checkRoom(for: batch)
        context.record.note(job, of: self.state.model)
        try context.memory.hold(Self.memoryNeed(images: job.count, values: job.values.count, batch: batch))
        let scores = try await context.watch.cancellingOnClose { [job] in
            context.pass.giveBack()
            return try await Self.score(job, batch: batch, with: backend)
        }
        if type == MediaTypeName.npy {
            let shape = [job.count, self.state.model.channels, job.height, job.width]
            let bytes = NPYArray.encode(scores, shape: shape)
            try context.memory.hold(bytes.count)
            return Response(bytes: bytes, type: type)
        }
        let answer = ScoreResponse(logProbabilities: scores, count: job.count)
        return Response(bytes: try JSONCoding.encode(answer), type: type)
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
        var limits = state.limits
        limits.maximumImages = max(limits.maximumImages, limits.maximumValues)
        try limits.check(count: count, channels: state.model.channels, height: height, width: width)
    }

    /// What the body asks for; the body itself is gone then.
    private func job(_ request: Request, isPNG: Bool, _ memory: RequestMemory) async throws -> ScoringJob {
        let body = try await request.wholeBody(limit: state.limits.maximumBodyBytes, memory: memory)
        return isPNG ? try self.job(png: body, memory) : try self.job(npy: body, memory)
    }

    /// Images as (n, C, H, W) or, one of them, (C, H, W).
    private func job(npy body: [UInt8], _ memory: RequestMemory) throws -> ScoringJob {
        let array: NPYArray
        do {
            array = try NPYArray(parsing: body)
        } catch {
            throw ProblemAnswer(.badRequest, "the body is not an NPY array: \(error)")
        }
        let model = state.model
        let shape = array.shape.count == 3 ? [1] + array.shape : array.shape
        guard shape.count == 4, shape[1] == model.channels else {
            throw RequestError.outOfRange(
                field: "shape", found: "\(array.shape)",
                allowed: "(n, \(model.channels), height, width) or (\(model.channels), height, width)")
        }
        try check(count: shape[0], height: shape[2], width: shape[3])
        try memory.hold(max(memory.bytes, MemoryNeed.scores(images: shape[0], values: array.count)))
        do {
            let values = try array.integers(as: UInt16.self, in: 0...(model.colors - 1))
            return ScoringJob(values: values, count: shape[0], height: shape[2], width: shape[3])
        } catch {
            throw ProblemAnswer(.unprocessableContent, "\(error)", field: "values")
        }
    }

    /// One image.
    private func job(png body: [UInt8], _ memory: RequestMemory) throws -> ScoringJob {
        let model = state.model
        guard model.isShownAsPNG else {
            throw ProblemAnswer(
                .unsupportedMediaType,
                "a PNG cannot hold \(model.channels) channels of \(model.colors) values; send \(MediaTypeName.npy)")
        }
        let picture: Picture
        do {
            // A small file may hold very many pixels.
            let (width, height) = try PNG.size(of: body)
            try check(count: 1, height: height, width: width)
            let need = MemoryNeed.scores(images: 1, values: model.channels * height * width)
            try memory.hold(memory.bytes + need)
            picture = try PNG.decode(body, limit: height * width)
        } catch let error as PNGError {
            throw ProblemAnswer(.badRequest, "the body is not a PNG picture: \(error)")
        }
        do {
            let values = try Grid.values(of: picture, channels: model.channels, colors: model.colors)
            return ScoringJob(values: values, count: 1, height: picture.height, width: picture.width)
        } catch {
            throw ProblemAnswer(.unprocessableContent, "\(error)")
        }
    }
}
