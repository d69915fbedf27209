// POST /v1/samples: JSON in, a PNG grid or an NPY array out. The answer depends on the request alone (and the seed drawn
// for it, which the answer names), so the same request gives the same values again.

import HTTPTypes
import Hummingbird
import ImageFormats
import PixelCNNAPI
import PixelCNNEngine
import PixelCNNScheduler

struct SamplesRoute {
    /// A request is a handful of numbers.
    static let maximumBodyBytes = 1 << 20

    /// JSON, and what `curl -d` calls its data where it is told nothing: the body is read as JSON either way.
    static let bodyTypes = [MediaTypeName.json, "application/x-www-form-urlencoded"]

    let state: ServerState

    func respond(to request: Request, context: ServerContext) async throws -> Response {
        try request.refuseQuery()
        let type = try self.negotiate(request.headers)
        let body = try await request.wholeBody(limit: min(Self.maximumBodyBytes, self.state.limits.maximumBodyBytes))
        if let found = request.headers.bodyType, !body.isEmpty, !Self.bodyTypes.contains(found) {
            throw ProblemAnswer(.unsupportedMediaType, "Content-Type is \(found); allowed is \(MediaTypeName.json)")
        }
        let sampleRequest = try SampleRequest(json: body)
        try sampleRequest.validate(against: self.state.model, limits: self.state.limits)

        let job = self.job(for: sampleRequest)
        let backend = self.state.backend
        let values = try await context.channel.cancellingOnClose { try await backend.sample(job) }
        let bytes =
            type == MediaTypeName.png
            ? try self.png(values, job: job, columns: sampleRequest.columns) : self.npy(values, job: job)
        return Response(headers: [.pixelCNNSeed: "\(job.seed)"], bytes: bytes, type: type)
    }

    private func negotiate(_ headers: HTTPFields) throws -> String {
        self.state.model.isShownAsPNG
            ? try headers.negotiate([MediaTypeName.png, MediaTypeName.npy])
            : try headers.negotiate(
                [MediaTypeName.npy],
                else: "a PNG shows 1 or 3 channels of at most 256 values; the model has "
                    + "\(self.state.model.channels) of \(self.state.model.colors)")
    }

    private func job(for request: SampleRequest) -> SamplingJob {
        SamplingJob(
            count: request.n, seed: request.seed ?? SampleRequest.drawSeed(), firstIndex: request.firstIndex,
            height: request.height ?? self.state.model.height, width: request.width ?? self.state.model.width,
            parameters: SamplingParameters(
                temperature: Float(request.temperature), topK: request.topK, topP: request.topP.map(Float.init)))
    }

    /// A grid that says how to draw it again.
    private func png(_ values: [UInt16], job: SamplingJob, columns: Int?) throws -> [UInt8] {
        let picture = try Grid.picture(
            values: values, count: job.count, channels: self.state.model.channels, height: job.height,
            width: job.width, colors: self.state.model.colors, columns: columns.map { min($0, job.count) })
        return try PNG.encode(
            picture,
            text: [
                (key: "PixelCNN-Seed", value: "\(job.seed)"),
                (key: "PixelCNN-First-Index", value: "\(job.firstIndex)"),
                (key: "PixelCNN-Model", value: self.state.model.sha256),
                (key: "Software", value: "pixelcnnd \(Version.current)"),
            ])
    }

    /// (n, C, H, W), one byte a value where 256 values suffice.
    private func npy(_ values: [UInt16], job: SamplingJob) -> [UInt8] {
        let shape = [job.count, self.state.model.channels, job.height, job.width]
        return self.state.model.colors <= 256
            ? NPYArray.encode(values.map(UInt8.init), shape: shape) : NPYArray.encode(values, shape: shape)
    }
}
