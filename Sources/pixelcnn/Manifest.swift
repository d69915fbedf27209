// What the shards of a folder were drawn with, and the digest of each. Whoever adds some must draw with the same, or
// the folder would hold a mixture that nobody can draw again; and a shard that has changed since does not count as
// there.
//
// Several processes may add to a folder at the same time. Each writes the digests that it has now and then, under the
// folder's lock; the manifest's bytes do not depend on their order.

import Foundation
import PixelCNNAPI
import Support

struct Manifest: Codable {
    /// SHA-256 of the model's file.
    var model: String
    var precision: String
    var seed: UInt64
    var height: Int
    var width: Int
    var temperature: Double
    var topK: Int?
    var topP: Double?
    var shardSize: Int
    var format: String
    /// SHA-256 of each shard, by its path in the folder; nil in those that earlier versions wrote.
    var shards: [String: String]?

    enum CodingKeys: String, CodingKey {
        case model, precision, seed, height, width, temperature, format, shards
        case topK = "top_k"
        case topP = "top_p"
        case shardSize = "shard_size"
    }

    /// A million shards, and more.
    private static let maximumBytes = 256 << 20
    /// How long others may take to write theirs.
    private static let timeout = Duration.seconds(10)

    private static func path(_ folder: String) -> String { "\(folder)/manifest.json" }

    /// The manifest of a folder, nil where it has none.
    ///
    /// - Throws: ``Failure`` (65) where it cannot be read.
    static func read(_ folder: String) throws(Failure) -> Manifest? {
        let path = Self.path(folder)
        let bytes: [UInt8]
        do throws(Failure) {
            let file = try OpenFile(regular: path)
            guard file.byteCount <= maximumBytes else {
                throw Failure(.dataError, "\(path) has \(file.byteCount) bytes, and is no manifest of shards")
            }
            bytes = try file.bytes(0..<file.byteCount)
        } catch {
            if error.status == .noInput { return nil }
            throw error
        }
        guard let manifest = try? JSONCoding.decode(Manifest.self, from: bytes),
            manifest.shards?.allSatisfy({ Shard.isName($0.key) }) ?? true
        else { throw Failure(.dataError, "\(path) is no manifest of shards; use another folder") }
        return manifest
    }

    /// Writes the manifest of a folder, unless there is one; then that must be the same.
    ///
    /// - Parameter seed: whether the seed must be the same, too.
    /// - Returns: the manifest that is there then.
    /// - Throws: ``Failure``: 73 where it cannot be written, 64 where the folder's is another, or is missing.
    func claim(_ folder: String, seed: Bool) throws(Failure) -> Manifest {
        if try Self.read(folder) == nil { try create(folder) }
        guard let there = try Self.read(folder) else {
            throw Failure(.cannotCreate, "\(Self.path(folder)) has gone meanwhile")
        }
        var here = self
        if !seed { here.seed = there.seed }
        if let (mine, other) = zip(here.fields, there.fields).first(where: { $0 != $1 }) {
            throw Failure(
                .usage,
                "\(Self.path(folder)) is of another job: its \(other.0) is \(other.1), here \(mine.1); "
                    + "use another folder")
        }
        return there
    }

    /// Adds digests to the manifest of a folder, which there must be.
    ///
    /// - Throws: ``Failure``: 73 where it cannot be written.
    static func add(_ digests: [String: String], to folder: String) throws(Failure) {
        let lock = FolderLock(folder, timeout: timeout)
        defer { withExtendedLifetime(lock) {} }
        guard var manifest = try read(folder) else {
            throw Failure(.cannotCreate, "\(path(folder)) has gone meanwhile")
        }
        manifest.shards = (manifest.shards ?? [:]).merging(digests) { $1 }
        do {
            try AtomicFile.write(manifest.json(), to: path(folder))
        } catch {
            throw Failure(.cannotCreate, "\(error)")
        }
    }

    /// Of several processes that begin together, one writes it. Where shards are, nobody knows any more what they were
    /// drawn with.
    private func create(_ folder: String) throws(Failure) {
        let lock = FolderLock(folder, timeout: Self.timeout)
        defer { withExtendedLifetime(lock) {} }
        if try Self.read(folder) != nil { return }
        if let shard = Shard.any(in: folder) {
            throw Failure(
                .usage,
                "\(folder) has shards, such as \(shard), but no manifest.json that says how they were drawn; "
                    + "put it back, or use another folder")
        }
        var manifest = self
        manifest.shards = [:]
        do {
            let file = try AtomicFile(path: Self.path(folder))
            try file.write(manifest.json())
            try file.commit(replacing: false)
        } catch let error as AtomicFileError where error.errno == EEXIST {
            return
        } catch {
            throw Failure(.cannotCreate, "\(error)")
        }
    }

    private func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return try Array(encoder.encode(self)) + [UInt8(ascii: "\n")]
    }

    /// Names and values, for people.
    private var fields: [(String, String)] {
        [
            ("model", model), ("precision", precision), ("seed", "\(seed)"),
            ("height", "\(height)"), ("width", "\(width)"), ("temperature", "\(temperature)"),
            ("top_k", topK.map { "\($0)" } ?? "none"), ("top_p", topP.map { "\($0)" } ?? "none"),
            ("shard_size", "\(shardSize)"), ("format", format),
        ]
    }
}

/// The digests of shards on their way into the manifest. Written with every shard, the manifest of a large job would be
/// most of what is written; what is not in it when the command is killed is added when the job goes on.
struct NewDigests {
    private static let interval = Duration.seconds(2)

    private let folder: String
    private var digests: [String: String] = [:]
    private var lastWrite: ContinuousClock.Instant?

    init(of folder: String) { self.folder = folder }

    /// Adds one; writes all of them where the last time was long ago.
    mutating func add(_ digest: String, of shard: Shard) throws(Failure) {
        digests[shard.name] = digest
        if let lastWrite, .now - lastWrite < Self.interval { return }
        try write()
    }

    /// Writes all that are not written yet.
    mutating func write() throws(Failure) {
        lastWrite = .now
        if digests.isEmpty { return }
        try Manifest.add(digests, to: folder)
        digests = [:]
    }
}
