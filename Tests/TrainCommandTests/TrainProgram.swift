// The `pixelcnn-train` that was built beside these tests, run as a user runs it.

import Foundation
import TestSupport
import Testing

/// What a finished program left.
struct Outcome {
    let code: Int32
    let output: String
    let errors: String
}

/// A running `pixelcnn-train`.
final class TrainProgram {
    private let process = Process()
    private let output = Pipe()
    private let errors = Pipe()

    /// Where it is.
    static var path: String {
        get throws {
            let tests = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            return tests.deletingLastPathComponent().appending(path: "pixelcnn-train").path
        }
    }

    /// Starts it; `folder` is its working folder.
    init(_ arguments: [String], in folder: URL? = nil) throws {
        process.executableURL = URL(filePath: try Self.path)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = folder }
        process.standardOutput = output
        process.standardError = errors
        try process.run()
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits for its end. Little is printed, so that neither pipe fills.
    func wait() -> Outcome {
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(code: process.terminationStatus, output: text, errors: errorText)
    }

    static func run(_ arguments: [String], in folder: URL? = nil) throws -> Outcome {
        try TrainProgram(arguments, in: folder).wait()
    }

    /// Runs it to its end, killed four times on the way and resumed. Its output is `out.safetensors`.
    static func runKilled(_ arguments: [String], in folder: TemporaryFolder) throws {
        var (kills, more) = (0, ["--checkpoint-minutes", "0"])  // a checkpoint after every step
        while true {
            let program = try TrainProgram(arguments + more, in: folder.url)
            if kills < 4 {
                // Not before there is something to go on from, then at any moment.
                while !FileManager.default.fileExists(atPath: folder.path("out.checkpoint.safetensors")) {
                    usleep(1000)
                }
                usleep(.random(in: 0...60_000))
                program.signal(SIGKILL)
                kills += 1
            }
            let outcome = program.wait()
            if outcome.code == 0 { return }
            #expect(outcome.code == SIGKILL, "\(outcome.errors)")
            more = ["--checkpoint-minutes", "0", "--resume"]
        }
    }
}
