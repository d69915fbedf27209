// What a person and a script get to know of a failure: a line on standard error, and an exit code.

import ArgumentParser
import Support

extension Failure {
    /// Runs a subcommand; its failure goes to standard error and becomes the exit code.
    static func reporting(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as Failure {
            if failure.status != .closedPipe { say(failure.message) }
            throw ExitCode(failure.status.rawValue)
        } catch let interrupted as Interruption.Interrupted {
            throw ExitCode(interrupted.exitStatus)
        }
    }
}

/// Writes a line to standard error, under the program's name. It may have words of a daemon's, and names of files.
func say(_ line: String) { StandardError.write("pixelcnn: \(line.printable)\n") }
