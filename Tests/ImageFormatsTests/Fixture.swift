// Finds the committed files beside these tests, and makes small ones in memory.

import Foundation

@testable import ImageFormats

/// The files under Fixtures, written by Fixtures/make_fixtures.py.
enum Fixture {
    /// The bytes of `Fixtures/path`.
    static func bytes(_ path: String, from file: String = #filePath) throws -> [UInt8] {
        let folder = URL(filePath: file).deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: folder.appending(path: "Fixtures/\(path)")))
    }

    /// The array in `Fixtures/npy/name.npy`.
    static func array(_ name: String) throws -> NPYArray {
        try NPYArray(parsing: bytes("npy/\(name).npy"))
    }

    /// The pixels that `Fixtures/png/name.png` must decode to.
    static func picture(_ name: String) throws -> Picture {
        let array = try NPYArray(parsing: bytes("png/\(name).npy"))
        return Picture(
            width: array.shape[1], height: array.shape[0], channels: array.shape[2],
            pixels: try array.integers(as: UInt8.self, in: 0...255))
    }

    /// An NPY file with this header text, of version 1.0 and without padding.
    static func npy(header: String, version: [UInt8] = [1, 0], data: [UInt8] = []) -> [UInt8] {
        var file: [UInt8] = [0x93] + Array("NUMPY".utf8) + version
        let count = header.utf8.count
        file += [UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8)]
        if version[0] > 1 { file += [UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 24)] }
        return file + Array(header.utf8) + data
    }

    /// All chunks of a sound PNG file.
    static func chunks(of file: [UInt8]) throws -> [PNGChunks.Chunk] {
        var chunks: [PNGChunks.Chunk] = []
        var position = PNGChunks.signature.count
        while position < file.count {
            let chunk = try PNGChunks.chunk(of: file, at: position)
            chunks.append(chunk)
            position = chunk.end
        }
        return chunks
    }
}
