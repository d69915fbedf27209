// `pixelcnn sample --output-dir`: any number of images, in shards. Those that are there are kept, so that a job that
// was stopped, however, goes on; and several jobs, each with its part of the images, may share a folder.

import Foundation
import ImageFormats
import PixelCNNAPI

struct ShardedDrawing: Sendable {
    let client: DaemonClient
    /// All images, of a class where there are classes; the seed is the folder's, or drawn, where nil.
    let request: SampleRequest
    /// The classes, as a person names them; each has all images.
    let labels: [String]
    let folder: String
    let shardSize: Int
    let format: SampleRequest.ImageFormat
    let style: DrawingDisplay.Style
    let isQuiet: Bool
    let patience: PatienceOptions

    /// Draws what is missing.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        let model = try await self.client.describeModel(patience: self.patience.patience(), notify: tell)
        let classes = try model.classes(self.labels)
        try self.request.check(model, classes)
        guard self.format == .npy || model.isShownAsPNG else {
            throw Failure(
                .usage, "a PNG cannot hold \(model.channels) channels of \(model.colors) values; use --format npy")
        }
        let shape = SampledImages.Shape(
            channels: model.channels, height: self.request.height ?? model.height,
            width: self.request.width ?? model.width, colors: model.colors)
        for label in classes { try Self.makeFolder(Shard.folder(self.folder, label: label)) }
        let seed = try claimFolder(model, shape)
        let all = self.shards(classes)
        let missing = all.filter { !$0.isThere(shape) }
        if missing.count < all.count {
            tell("\(all.count - missing.count) of \(all.count) shards are there already")
        }
        do {
            try await draw(missing, seed: seed, model, shape)
        } catch {
            let there = all.count { $0.isThere(shape) }
            tell("stopped: \(there) of \(all.count) shards are in \(self.folder); the same command goes on")
            throw error
        }
        let what = "\(DrawingOptions.count(self.request.n))\(classes.count > 1 ? " a class" : "") of seed \(seed)"
        tell("\(what): \(all.count == 1 ? "1 shard" : "\(all.count) shards") in \(self.folder)")
    }

    private func tell(_ line: String) { if !isQuiet { say(line) } }

    /// Makes a folder, and those it lies in, where there is none.
    private static func makeFolder(_ path: String) throws(Failure) {
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var isMade = mkdir(path, 0o777) == 0
        if !isMade, errno == ENOENT, parent != path {
            try Self.makeFolder(parent)
            isMade = mkdir(path, 0o777) == 0
        }
        let code = errno
        var isFolder = ObjCBool(false)
        if isMade || FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue {
            return
        }
        let reason = String(cString: strerror(code == EEXIST ? ENOTDIR : code))
        throw Failure(.cannotCreate, "cannot make the folder \(path): \(reason)")
    }

    /// Writes the folder's manifest, or finds that this job is the folder's; returns the seed.
    private func claimFolder(_ model: ModelDescription, _ shape: SampledImages.Shape) throws(Failure) -> UInt64 {
        let manifest = Manifest(
            model: model.sha256, precision: model.precision, seed: request.seed ?? SampleRequest.drawSeed(),
            height: shape.height, width: shape.width, temperature: request.temperature, topK: request.topK,
            topP: request.topP, shardSize: shardSize, format: format.rawValue)
        return try manifest.claim(folder, seed: request.seed != nil).seed
    }

    private func shards(_ classes: [Int?]) -> [Shard] {
        classes.flatMap { label in
            stride(from: 0, to: request.n, by: shardSize).map { start in
                Shard(
                    folder: folder, format: format, label: label,
                    firstIndex: request.firstIndex + UInt64(start),
                    count: min(shardSize, request.n - start))
            }
        }
    }

    // MARK: Drawing

    /// Images of a shard that one request asks for.
    private struct Part: Sendable {
        let shard: Int
        let request: SampleRequest
    }

    private func draw(
        _ shards: [Shard], seed: UInt64, _ model: ModelDescription, _ shape: SampledImages.Shape
    ) async throws {
        let display = SharedDisplay(
            style: style, isQuiet: isQuiet, images: shards.reduce(0) { $0 + $1.count },
            imageValues: shape.count)
        defer { display.clear() }
        let job = LongJob(client: client, patience: patience, model: model, display: display)
        let most = job.imagesOfRequest(shape)
        var next = (shard: 0, image: 0)
        var writer: (shard: Int, ShardWriter)?
        try await job.inOrder { () -> Part? in
            guard next.shard < shards.count else { return nil }
            let shard = shards[next.shard]
            var request = self.request
            request.seed = seed
            request.label = shard.label.map(ClassLabel.number)
            request.n = min(most, shard.count - next.image)
            request.firstIndex = shard.firstIndex + UInt64(next.image)
            defer {
                let image = next.image + request.n
                next = image < shard.count ? (next.shard, image) : (next.shard + 1, 0)
            }
            return Part(shard: next.shard, request: request)
        } ask: { part in
            let question = DaemonClient.Question(
                method: .POST, path: Endpoint.samples, accept: MediaTypeName.npy, contentType: MediaTypeName.json
            ) { part.request.json }
            return (part.shard, try await job.ask(question).values(of: part.request.n, shape))
        } take: { number, values in
            if writer?.shard != number {
                let shard = shards[number]
                let origin = SampledImages.Origin(
                    seed: seed, firstIndex: shard.firstIndex, labels: [shard.label].compactMap { $0 },
                    model: model.sha256, precision: model.precision, software: "pixelcnnd \(model.version)")
                writer = (number, try ShardWriter(shard, shape, origin))
            }
            try writer?.1.write(values)
            display.show(more: values.count / shape.count)
        }
    }
}
