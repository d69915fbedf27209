// A folder for one test, removed with its content when the test ends. It lies directly under /tmp, because the paths of
// Unix sockets are short.

import Foundation

/// A new, empty folder that lives as long as the value.
package final class TemporaryDirectory: Sendable {
    /// Its path.
    package let path: String

    /// Makes the folder.
    package init() throws {
        let name = String(UInt32.random(in: .min ... .max), radix: 36)
        self.path = "/tmp/pixelcnn-test-\(getpid())-\(name)"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: false)
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// The bytes of a file.
package func bytes(ofFile path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}
