// `pixelcnn sample --output-dir`: any number of images, in shards. Those that are there are kept, so that a job that
// was stopped, however, goes on; and several jobs, each with its part of the images, may share a folder.

import ArgumentParser
import Foundation
import ImageFormats
import PixelCNNAPI
import Support

struct ShardedRun: Sendable {
    let client: DaemonClient
    /// All images, of a class where there are classes; the seed is the folder's, or drawn, where nil.
    let request: SampleRequest
    /// The classes, as a person names them; each has all images.
    let labels: [String]
    let folder: String
    let shardSize: Int
    let format: SampleRequest.ImageFormat
    let style: ProgressDisplay.Style
    let isQuiet: Bool
    let retries: RetryPolicy

    /// Draws what is missing.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws {
        let model = try await client.describeModel(retries: retries, report: report)
        let classes = try model.classes(labels)
        try request.check(model, classes)
        guard format == .npy || model.isShownAsPNG else {
            throw Failure(
                .usage, "a PNG cannot hold \(model.channels) channels of \(model.colors) values; use --format npy")
        }
        let shape = SampledImages.Shape(
            channels: model.channels, height: request.height ?? model.height,
            width: request.width ?? model.width, colors: model.colors)
        for label in classes { try Self.makeFolder(Shard.folder(folder, label: label)) }
        let seed = try claimFolder(model, shape)
        let all = self.shards(classes)
        let missing = all.filter { !$0.isThere(shape) }
        if missing.count < all.count {
            report("\(all.count - missing.count) of \(all.count) shards are there already")
        }
        do {
            try await sample(missing, seed: seed, model, shape)
        } catch {
            let there = all.count { $0.isThere(shape) }
            report("stopped: \(there) of \(all.count) shards are in \(folder); the same command goes on")
            throw error
        }
        let what = "\(SampleOptions.count(request.n))\(classes.count > 1 ? " per class" : "") of seed \(seed)"
        report("\(what): \(all.count == 1 ? "1 shard" : "\(all.count) shards") in \(folder)")
    }

    private func report(_ line: String) { if !isQuiet { say(line) } }

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
            SplitJob.parts(of: request.n, most: shardSize).map { images in
                Shard(
                    folder: folder, format: format, label: label,
                    firstIndex: request.firstIndex + UInt64(images.lowerBound), count: images.count)
            }
        }
    }

    // MARK: Sampling

    /// The images of one request: a part of a shard.
    private struct Part: Sendable {
        let shard: Int
        let request: SampleRequest
    }

    private func sample(
        _ shards: [Shard], seed: UInt64, _ model: ModelDescription, _ shape: SampledImages.Shape
    ) async throws {
        let display = ProgressDisplay(
            style: style, isQuiet: isQuiet, images: shards.reduce(0) { $0 + $1.count }, imageValues: shape.count)
        defer { display.clear() }
        display.add(images: 0)
        let job = SplitJob(client: client, model: model, display: display, retries: retries)
        let most = job.imagesPerRequest(shape)
        var rest = shards.enumerated().lazy.flatMap { number, shard in
            var request = self.request
            request.seed = seed
            request.firstIndex = shard.firstIndex
            return SplitJob.parts(of: shard.count, most: most).map { images in
                Part(shard: number, request: request.part(images, label: shard.label))
            }
        }.makeIterator()
        var writer: (shard: Int, ShardWriter)?
        try await job.inOrder {
            rest.next()
        } send: { part in
            let request = DaemonClient.Request(
                method: .POST, path: Endpoint.samples, accept: MediaTypeName.npy, contentType: MediaTypeName.json,
                body: { part.request.json }, maximumBytes: HTTPExchange.maximumResponseBytes,
                check: { head throws(Failure) in try head.checkSeed(seed) })
            return (part.shard, try await job.send(request).values(of: part.request.n, shape))
        } receive: { number, values in
            if writer?.shard != number {
                let shard = shards[number]
                let origin = SampledImages.Origin(
                    seed: seed, firstIndex: shard.firstIndex, labels: [shard.label].compactMap { $0 },
                    model: model.sha256, precision: model.precision, version: model.version)
                writer = (number, try ShardWriter(shard, shape, origin))
            }
            try writer?.1.write(values)
            display.add(images: values.count / shape.count)
        }
    }
}

/// Options of a run whose images go to many files.
struct ShardOptions: ParsableArguments {
    static let defaultShardSize = 1000

    @Option(
        help: ArgumentHelp(
            """
            Write shards into this folder, .npy files or folders of PNG files; a run that was stopped continues.
            """, valueName: "folder"), completion: .directory)
    var outputDir: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Images per shard; \(defaultShardSize) by default.", valueName: "n"))
    var shardSize: Int?

    func validate() throws {
        guard let shardSize else { return }
        guard outputDir != nil else { throw ValidationError("--shard-size needs --output-dir") }
        guard shardSize > 0 else { throw ValidationError("--shard-size is \(shardSize); allowed is 1 or more") }
    }

    /// Refuses options of a single file, and a part of the images that would cut shards in two.
    func check(_ options: SampleOptions) throws {
        guard outputDir != nil else { return }
        for (name, isThere) in [
            ("-o", options.output != nil), ("--columns", options.columns != nil), ("--preview", options.preview),
            ("--deadline", options.deadline != nil),
        ] where isThere {
            throw ValidationError("--output-dir and \(name) exclude each other")
        }
        let size = UInt64(shardSize ?? Self.defaultShardSize)
        guard options.firstIndex.isMultiple(of: size) else {
            throw ValidationError(
                "--first-index is \(options.firstIndex); "
                    + "with --output-dir, multiples of --shard-size (\(size)) are allowed"
            )
        }
    }
}
