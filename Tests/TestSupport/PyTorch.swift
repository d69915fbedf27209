// PyTorch as an oracle, where it is installed: `PIXELCNN_PYTHON`, else `python3`. Where `PIXELCNN_REQUIRE_PYTORCH` is
// set, as in CI, tests that need it run, and fail, rather than being skipped.

import Foundation

/// The Python with PyTorch.
package enum PyTorch {
    private static let environment = ProcessInfo.processInfo.environment
    private static let python = environment["PIXELCNN_PYTHON"] ?? "python3"

    /// Why tests are skipped where they are.
    package static let absence: String = "PyTorch is not installed for \(python): pip install torch numpy safetensors"

    /// Whether tests that need PyTorch are to run.
    package static let isAvailable: Bool =
        environment["PIXELCNN_REQUIRE_PYTORCH"] != nil
        || (try? run(["-c", "import torch, numpy, safetensors"]).status) == 0

    /// Runs Python with the arguments, in `Tests/Oracle`; its exit status and all that it printed.
    package static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        process.currentDirectoryURL = Fixture.folder.deletingLastPathComponent().appending(path: "Oracle")
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }
}

/// A folder for one test, removed at its end.
package final class TemporaryFolder {
    /// Where it is.
    package let url: URL

    /// Makes an empty folder.
    package init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "pixelcnn-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    /// The path of `name` in it.
    package func path(_ name: String) -> String { url.appending(path: name).path }
}
