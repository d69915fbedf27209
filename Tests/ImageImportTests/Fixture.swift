// The files that Fixtures/make_files.py wrote with Pillow and NumPy.

import Foundation
import ImageFormats

@testable import ImageImport

enum Fixture {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    static func path(_ name: String) -> String { folder.appending(path: name).path }

    static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: name))) }

    /// The picture in a file, as Pillow decodes it.
    static func expected(_ name: String) throws -> Picture {
        let array = try NPYArray(parsing: NPZFile(bytes("expected.npz")).array(name))
        return Picture(
            width: array.shape[1], height: array.shape[0], channels: array.shape.count == 3 ? 3 : 1,
            pixels: try array.integers(as: UInt8.self, in: 0...255))
    }
}
