// `pixelcnn sample --output-dir`: any number of images, in shards. Those that are there are kept, so that a job that
// was stopped, however, goes on; and several jobs, each with its part of the images, may share a folder. What is there
// is hashed first, a fraction of what drawing it takes, and drawn again where it is not what was drawn.

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
    let format: Shard.Format
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
        if let note = model.assumedSizeNote(request) { report(note) }
        guard format == .npy || model.isShownAsPNG else {
            throw Failure(
                .usage, "a PNG cannot hold \(model.channels) channels of \(model.colors) values; use --format npy")
        }
        let shape = SampledImages.Shape(
            channels: model.channels, height: request.height ?? model.height,
            width: request.width ?? model.width, colors: model.colors)
        for label in classes { try Self.makeFolder(Shard.folder(folder, label: label)) }
        let all = self.shards(classes)
        for shard in all { try shard.checkKind() }
        let manifest = try claimFolder(model, shape)
        var digests = NewDigests(of: folder)
        let missing = try self.missing(of: all, manifest, shape, &digests)
        if missing.count < all.count {
            report("\(all.count - missing.count) of \(all.count) shards are there already")
        }
        let seed = manifest.seed
        do {
            try await sample(missing, seed: seed, model, shape, &digests)
            try digests.write()
        } catch {
            try? digests.write()  // what is not written is added when the job goes on
            let there = all.count { $0.isThere(shape) }
            report("stopped: \(there) of \(all.count) shards are in \(folder); the same command goes on")
            throw error
        }
        let what = "\(SampleOptions.count(request.n))\(classes.count > 1 ? " per class" : "") of seed \(seed)"
        report("\(what): \(all.count == 1 ? "1 shard" : "\(all.count) shards") in \(folder)")
    }

    private func report(_ line: String) { if !isQuiet { say(line) } }

    /// The shards that are to be drawn: those that are not there, or not as they were drawn.
    private func missing(
        of all: [Shard], _ manifest: Manifest, _ shape: SampledImages.Shape, _ digests: inout NewDigests
    ) throws -> [Shard] {
        var missing: [Shard] = []
        var unknown = 0
        for shard in all {
            try Task.checkCancellation()
            guard shard.isThere(shape), let digest = try? Shard.digest(of: shard.name, in: folder) else {
                missing.append(shard)
                continue
            }
            switch manifest.shards?[shard.name] {
            case digest: break
            case nil:
                unknown += 1
                try digests.add(digest, of: shard)
            default:
                say("\(shard.path) has changed since it was drawn: drawing it again")
                missing.append(shard)
            }
        }
        if unknown > 0 {
            report(
                "the manifest had no digests of \(unknown) shards: they are taken as they are, and have digests now")
        }
        return missing
    }

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

    /// Writes the folder's manifest, or finds that this job is the folder's.
    private func claimFolder(_ model: ModelDescription, _ shape: SampledImages.Shape) throws(Failure) -> Manifest {
        let manifest = Manifest(
            model: model.sha256, precision: model.precision, seed: request.seed ?? SampleRequest.drawSeed(),
            height: shape.height, width: shape.width, temperature: request.temperature, topK: request.topK,
            topP: request.topP, shardSize: shardSize, format: format.rawValue)
        return try manifest.claim(folder, seed: request.seed != nil)
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
        _ shards: [Shard], seed: UInt64, _ model: ModelDescription, _ shape: SampledImages.Shape,
        _ digests: inout NewDigests
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
            if let digest = try writer?.1.write(values) { try digests.add(digest, of: shards[number]) }
            display.add(images: values.count / shape.count)
        }
    }
}

/// `--verify`: whether the shards of a folder, of whatever job, are those that were drawn.
enum ShardVerification {
    /// Compares all of them with the manifest. Needs no daemon.
    ///
    /// - Throws: ``Failure``: no manifest (66), one that is none, or a shard that is missing or has changed (65).
    static func run(_ folder: String) throws(Failure) {
        guard let manifest = try Manifest.read(folder) else {
            throw Failure(.noInput, "\(folder) has no manifest.json: it is no folder of shards, or has lost it")
        }
        guard let digests = manifest.shards else {
            throw Failure(
                .dataError,
                "\(folder)/manifest.json is of an earlier version and has no digests; the command that drew the shards "
                    + "adds them")
        }
        var wrong = 0
        for (name, digest) in digests.sorted(by: { $0.key < $1.key }) {
            let reason: String
            do {
                if try Shard.digest(of: name, in: folder) == digest { continue }
                reason = "has changed since it was drawn"
            } catch {
                reason = error.status == .noInput ? "is missing" : "cannot be read (\(error.message))"
            }
            say("\(folder)/\(name) \(reason)")
            wrong += 1
        }
        guard wrong == 0 else {
            throw Failure(
                .dataError,
                "\(wrong) of \(digests.count) shards are not as drawn; the command that drew them draws them again")
        }
        say("\(digests.count) shards of seed \(manifest.seed) are as they were drawn")
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

    @Flag(help: "Compare the shards in --output-dir with the digests in its manifest, and draw nothing.")
    var verify = false

    func validate() throws {
        if verify, outputDir == nil { throw ValidationError("--verify needs --output-dir") }
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
        guard options.format != .npz else {
            throw ValidationError("--output-dir writes shards in npy or png; for log-probabilities use -o FILE.npz")
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
