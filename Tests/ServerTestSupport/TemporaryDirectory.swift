// A folder for one test, removed with its content when the test ends. It lies directly under /tmp, because the paths of
// Unix sockets are short.

import Foundation

/// A new, empty folder that lives as long as the value.
public final class TemporaryDirectory: Sendable {
    /// Its path.
    public let path: String

    /// Makes the folder.
    public init() throws {
        let name = String(UInt32.random(in: .min ... .max), radix: 36)
        self.path = "/tmp/pixelcnn-test-\(getpid())-\(name)"
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: false)
    }

    /// The path of a file in it.
    public func file(_ name: String) -> String { "\(self.path)/\(name)" }

    deinit {
        try? FileManager.default.removeItem(atPath: self.path)
    }
}

/// The bytes of a file.
public func bytes(ofFile path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}
