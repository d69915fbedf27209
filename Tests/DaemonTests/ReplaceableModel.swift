// A daemon on a model file that the test puts another in place of, as whoever runs a daemon does before a reload.

import Foundation
import ServerTestSupport

struct ReplaceableModel {
    /// Another shape than that of the model to begin with: 1 channel of 17 values.
    static let gray = URL(fileURLWithPath: Programs.model).deletingLastPathComponent()
        .appending(path: "gray.safetensors").path

    /// The file.
    let path: String

    /// Puts another model's bytes in its place.
    func replace(with source: String) throws {
        try Data(contentsOf: URL(fileURLWithPath: source)).write(to: URL(fileURLWithPath: self.path), options: .atomic)
    }

    /// Runs a daemon of one thread on a copy of the model that the tests use.
    static func serve(
        _ arguments: [String] = [], _ body: (RunningDaemon, ReplaceableModel) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let model = ReplaceableModel(path: directory.file("model"))
        try model.replace(with: Programs.model)
        try await RunningDaemon.run(["--model", model.path, "--threads", "1"] + arguments) { try await body($0, model) }
        withExtendedLifetime(directory) {}
    }
}
