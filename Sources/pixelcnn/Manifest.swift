// What the shards of a folder were drawn with. Whoever adds some must draw with the same, or the folder would hold a
// mixture that nobody can draw again.

import Foundation
import PixelCNNAPI
import Support

struct Manifest: Codable, Equatable {
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

    enum CodingKeys: String, CodingKey {
        case model, precision, seed, height, width, temperature, format
        case topK = "top_k"
        case topP = "top_p"
        case shardSize = "shard_size"
    }

    private static func path(_ folder: String) -> String { "\(folder)/manifest.json" }

    /// The manifest of a folder, nil where it has none.
    ///
    /// - Throws: ``Failure`` (65) where it cannot be read.
    static func read(_ folder: String) throws(Failure) -> Manifest? {
        let path = Self.path(folder)
        let bytes: [UInt8]
        do {
            let file = try OpenFile(path)
            bytes = try file.bytes(0..<file.byteCount)
        } catch {
            if error.status == .noInput { return nil }
            throw error
        }
        do {
            return try JSONCoding.decode(Manifest.self, from: bytes)
        } catch {
            throw Failure(.dataError, "\(path) is no manifest of shards; use another folder")
        }
    }

    /// Writes the manifest of a folder, unless there is one; then that must be the same.
    ///
    /// - Parameter seed: whether the seed must be the same, too.
    /// - Returns: the manifest that is there then.
    /// - Throws: ``Failure``: 73 where it cannot be written, 64 where the folder's is another.
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

    /// Of several processes that begin together, one writes it.
    private func create(_ folder: String) throws(Failure) {
        do {
            let file = try AtomicFile(path: Self.path(folder))
            try file.write(json())
            try file.commit(replacing: false)
        } catch let error as AtomicFileError where error.errno == EEXIST {
            return
        } catch {
            throw Failure(.cannotCreate, "\(error)")
        }
    }

    private func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
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
