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
    /// Whether the files are to be listed at the end.
    let listsFiles: Bool

    /// Draws what is missing.
    ///
    /// - Throws: ``Failure``; `CancellationError`.
    func run() async throws -> SampleReport {
        let model = try await client.describeModel(retries: retries, report: report)
        var classes: [Int?] = []
        for label in try model.classes(labels) where !classes.contains(label) { classes.append(label) }
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
        let count = ((request.n - 1) / shardSize + 1) * classes.count
        let found = classes.flatMap(self.found)
        for shard in found { try shard.checkKind() }
        let manifest = try claimFolder(model, shape)
        var digests = NewDigests(of: folder)
        let kept = try self.kept(of: found, manifest, shape, &digests)
        if !kept.isEmpty { report("\(kept.count) of \(count) shards are there already") }
        let seed = manifest.seed
        let images = request.n * classes.count - kept.reduce(0) { $0 + $1.count }
        let names = Set(kept.map(\.name))
        let missing = shards(classes).lazy.filter { !names.contains($0.name) }
        do {
            try await sample(missing, images: images, seed: seed, model, shape, &digests)
            try digests.write()
        } catch {
            try? digests.write()  // what is not written is added when the job goes on
            let there = classes.flatMap(self.found).count { $0.isThere(shape) }
            report("stopped: \(there) of \(count) shards are in \(folder); the same command goes on")
            throw error
        }
        let what = "\(SampleOptions.count(request.n))\(classes.count > 1 ? " per class" : "") of seed \(seed)"
        report("\(what): \(count == 1 ? "1 shard" : "\(count) shards") in \(folder)")
        return SampleReport(model, seed: seed, request, classes, files: listsFiles ? try files(classes) : [])
    }

    /// The shards and their digests, which the manifest has now.
    private func files(_ classes: [Int?]) throws(Failure) -> [SampleReport.File] {
        let digests = try Manifest.read(folder)?.shards ?? [:]
        return shards(classes).map { .init(path: $0.path, sha256: digests[$0.name] ?? "") }
    }

    private func report(_ line: String) { if !isQuiet { say(line) } }

    /// The shards that need not be drawn: those that are there, as they were drawn.
    private func kept(
        of found: [Shard], _ manifest: Manifest, _ shape: SampledImages.Shape, _ digests: inout NewDigests
    ) throws -> [Shard] {
        var kept: [Shard] = []
        var unknown = 0
        for shard in found {
            try Task.checkCancellation()
            guard shard.isThere(shape), let digest = try? Shard.digest(of: shard.name, in: folder) else { continue }
            switch manifest.shards?[shard.name] {
            case digest: break
            case nil:
                unknown += 1
                try digests.add(digest, of: shard)
            default:
                say("\(shard.path) has changed since it was drawn: drawing it again")
                continue
            }
            kept.append(shard)
        }
        if unknown > 0 {
            report(
                "the manifest had no digests of \(unknown) shards: they are taken as they are, and have digests now")
        }
        return kept
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

    /// All shards of the job, each made when its turn comes: they may be very many.
    private func shards(_ classes: [Int?]) -> some Sequence<Shard> {
        sequence(state: (label: 0, start: 0)) { next -> Shard? in
            guard next.label < classes.count else { return nil }
            let images = next.start..<next.start + min(shardSize, request.n - next.start)
            defer { next = images.upperBound < request.n ? (next.label, images.upperBound) : (next.label + 1, 0) }
            return shard(images, classes[next.label])
        }
    }

    private func shard(_ images: Range<Int>, _ label: Int?) -> Shard {
        Shard(
            folder: folder, format: format, label: label,
            firstIndex: request.firstIndex + UInt64(images.lowerBound), count: images.count)
    }

    /// The shards of the job, and of a class, of whose names there is something in the folder. What is there is asked
    /// for, not each name that there could be.
    private func found(_ label: Int?) -> [Shard] {
        let path = Shard.folder(folder, label: label)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let starts = names.compactMap { name -> Int? in
            guard let index = Shard.index(ofName: name, format: format), index >= request.firstIndex,
                index - request.firstIndex < UInt64(request.n)
            else { return nil }
            let start = Int(index - request.firstIndex)
            return start.isMultiple(of: shardSize) ? start : nil
        }
        return starts.sorted().map { shard($0..<min($0 + shardSize, request.n), label) }
    }

    // MARK: - Sampling

    /// The images of one request: a part of a shard.
    private struct Part: Sendable {
        let shard: Shard
        let request: SampleRequest
    }

    private func sample(
        _ shards: some Sequence<Shard>, images: Int, seed: UInt64, _ model: ModelDescription,
        _ shape: SampledImages.Shape, _ digests: inout NewDigests
    ) async throws {
        let display = ProgressDisplay(
            style: style, isQuiet: isQuiet, images: images, imageValues: shape.count)
        defer { display.clear() }
        display.add(images: 0)
        let job = SplitJob(client: client, model: model, display: display, retries: retries)
        let most = job.imagesPerRequest(shape)
        var rest = shards.makeIterator()
        var parts: [Part] = []  // of a shard, the next at the end
        var writer: (shard: Shard, ShardWriter)?
        try await job.inOrder {
            if parts.isEmpty, let shard = rest.next() {
                var request = self.request
                request.seed = seed
                request.firstIndex = shard.firstIndex
                parts = SplitJob.parts(of: shard.count, most: most).reversed().map { images in
                    Part(shard: shard, request: request.part(images, label: shard.label))
                }
            }
            return parts.popLast()
        } send: { part in
            let request = DaemonClient.Request(
                method: .POST, path: Endpoint.samples, accept: MediaTypeName.npy, contentType: MediaTypeName.json,
                body: { part.request.json }, maximumBytes: HTTPExchange.maximumResponseBytes,
                check: { head throws(Failure) in try head.checkSeed(seed) })
            return (part.shard, try await job.send(request).values(of: part.request.n, shape))
        } receive: { shard, values in
            if writer?.shard != shard {
                let origin = SampledImages.Origin(
                    seed: seed, firstIndex: shard.firstIndex, labels: [shard.label].compactMap { $0 },
                    model: model.sha256, precision: model.precision, version: model.version)
                writer = (shard, try ShardWriter(shard, shape, origin))
            }
            if let digest = try writer?.1.write(values) { try digests.add(digest, of: shard) }
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
