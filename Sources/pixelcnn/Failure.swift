// An error that ends the program: one line for a person, one code for a script.

import ArgumentParser
import Foundation
import PixelCNNAPI

struct Failure: Error, Equatable {
    let status: SystemExit
    let message: String

    init(_ status: SystemExit, _ message: String) {
        self.status = status
        self.message = message
    }

    /// Runs a subcommand; its failure goes to standard error and becomes the exit code.
    static func reporting(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as Failure {
            say(failure.message)
            throw ExitCode(failure.status.rawValue)
        }
    }
}

/// Writes a line to standard error, under the program's name; where that cannot be written to, nobody reads it.
func say(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data("pixelcnn: \(line)\n".utf8))
}
