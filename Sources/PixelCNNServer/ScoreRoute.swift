// POST /v1/score: images in, their bits per dimension (JSON) or log-probabilities (NPY) out.

import HTTPTypes
import Hummingbird
import ImageFormats
import PixelCNNAPI
import PixelCNNScheduler

struct ScoreRoute {
    let state: ServerState

    func respond(to request: Request, context: ServerContext) async throws -> Response {
        try request.refuseQuery()
        let type = try request.headers.negotiate([MediaTypeName.json, MediaTypeName.npy])
        let bodyType = request.headers.bodyType
        guard let bodyType, [MediaTypeName.npy, MediaTypeName.png].contains(bodyType) else {
            throw ProblemAnswer(
                .unsupportedMediaType,
                "Content-Type is \(bodyType ?? "missing"); allowed are \(MediaTypeName.npy), \(MediaTypeName.png)")
        }
        let body = try await request.wholeBody(limit: self.state.limits.maximumBodyBytes)
        let job = bodyType == MediaTypeName.npy ? try self.job(npy: body) : try self.job(png: body)
        let backend = self.state.backend
        try backend.checkRoom(for: job.count)
        let scores = try await context.channel.cancellingOnClose { try await backend.score(job) }
        if type == MediaTypeName.npy {
            let shape = [job.count, self.state.model.channels, job.height, job.width]
            return Response(bytes: NPYArray.encode(scores, shape: shape), type: type)
        }
        let answer = ScoreResponse(logProbabilities: scores, count: job.count)
        return Response(bytes: try JSONCoding.encode(answer), type: type)
    }

    /// Images as (n, C, H, W) or, one of them, (C, H, W).
    private func job(npy body: [UInt8]) throws -> ScoringJob {
        let array: NPYArray
        do {
            array = try NPYArray(parsing: body)
        } catch {
            throw ProblemAnswer(.badRequest, "the body is not an NPY array: \(error)")
        }
        let model = self.state.model
        let shape = array.shape.count == 3 ? [1] + array.shape : array.shape
        guard shape.count == 4, shape[1] == model.channels else {
            throw RequestError.outOfRange(
                field: "shape", found: "\(array.shape)",
                allowed: "(n, \(model.channels), height, width) or (\(model.channels), height, width)")
        }
        try self.state.limits.check(count: shape[0], channels: shape[1], height: shape[2], width: shape[3])
        do {
            let values = try array.integers(as: UInt16.self, in: 0...(model.colors - 1))
            return ScoringJob(values: values, count: shape[0], height: shape[2], width: shape[3])
        } catch {
            throw ProblemAnswer(.unprocessableContent, "\(error)", field: "values")
        }
    }

    /// One image.
    private func job(png body: [UInt8]) throws -> ScoringJob {
        let model = self.state.model
        guard model.isShownAsPNG else {
            throw ProblemAnswer(
                .unsupportedMediaType,
                "a PNG cannot hold \(model.channels) channels of \(model.colors) values; send \(MediaTypeName.npy)")
        }
        let picture: Picture
        do {
            // No larger than the request's limits allow: a small file may hold very many pixels.
            picture = try PNG.decode(body, limit: self.state.limits.maximumPixels(channels: model.channels))
        } catch .tooLarge(let width, let height, _) {
            try self.state.limits.check(count: 1, channels: model.channels, height: height, width: width)
            throw ProblemAnswer(.unprocessableContent, "the picture is too large: \(width) × \(height)")
        } catch {
            throw ProblemAnswer(.badRequest, "the body is not a PNG picture: \(error)")
        }
        try self.state.limits.check(
            count: 1, channels: model.channels, height: picture.height, width: picture.width)
        do {
            let values = try Grid.values(of: picture, channels: model.channels, colors: model.colors)
            return ScoringJob(values: values, count: 1, height: picture.height, width: picture.width)
        } catch {
            throw ProblemAnswer(.unprocessableContent, "\(error)")
        }
    }
}
