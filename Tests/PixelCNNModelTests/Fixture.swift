// The files that Fixtures/make_files.py wrote, the values expected, and a folder for files made on the spot.

import Foundation
import Testing

@testable import PixelCNNModel

enum Fixture {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    static func path(_ name: String) -> String { folder.appending(path: name).path }

    static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: name))) }

    /// The network of all fixtures.
    static func hyperparameters(height: Int = 5, width: Int = 4) throws -> Hyperparameters {
        try Hyperparameters(
            channels: 3, height: height, width: width, colors: 4, blocks: 2, filters: 6, kernelSize: 3, hidden: 12)
    }

    /// The fixtures' parameters by name, from their bare numbers.
    static func expected() throws -> [String: [Float]] {
        let bytes = try bytes("plain.f32")
        var offset = 0
        var expected: [String: [Float]] = [:]
        for spec in try hyperparameters().parameters {
            expected[spec.name] = bytes[offset..<offset + 4 * spec.count].withUnsafeBytes { buffer in
                (0..<spec.count).map { buffer.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
            offset += 4 * spec.count
        }
        #expect(offset == bytes.count)
        return expected
    }

    /// Calls `body` with a path for a file of this content, then removes it.
    static func withFile<R>(_ bytes: [UInt8], name: String = "model.pt", _ body: (String) throws -> R) throws -> R {
        try withFolder { folder in
            let file = folder.appending(path: name)
            try Data(bytes).write(to: file)
            return try body(file.path)
        }
    }

    /// Calls `body` with a folder of its own, then removes it.
    static func withFolder<R>(_ body: (URL) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pixelcnn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    /// The problem a file of this content is refused with; nil where it loads.
    static func problem(_ bytes: [UInt8], name: String = "model.pt") throws -> ModelFileError.Problem? {
        try withFile(bytes, name: name) { path in
            do throws(ModelFileError) {
                _ = try Model.load(path: path)
                return nil
            } catch {
                #expect(error.file == path)
                #expect(!error.description.contains("\n"))
                return error.problem
            }
        }
    }

    static func problem(file name: String) throws -> ModelFileError.Problem? { try problem(bytes(name), name: name) }
}

extension [UInt8] {
    /// With every occurrence of one text replaced by another; there must be one.
    func replacing(_ old: String, with new: String) -> [UInt8] { replacing([UInt8](old.utf8), with: [UInt8](new.utf8)) }

    func replacing(_ old: [UInt8], with new: [UInt8]) -> [UInt8] {
        let result = [UInt8](self[...].replacing(old, with: new))
        let changed = result != self
        #expect(changed, "nothing to replace")
        return result
    }

    mutating func appendLittleEndian<T: FixedWidthInteger>(_ value: T) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
