// Runs a program and collects what it says. Output goes through files, so that a full pipe never stops a program, and
// waiting holds no thread of the concurrency pool.

import Foundation

/// A finished program.
package struct CommandResult: Sendable {
    /// Its exit status, or the signal that ended it plus 128.
    package let status: Int32
    /// What it wrote to standard output.
    package let output: [UInt8]
    /// What it wrote to standard error.
    package let errors: String

    /// Standard output as text.
    package var text: String { String(decoding: self.output, as: UTF8.self) }
}

/// A running program. Foundation's `Process` reads past a buffer's end, and may crash, while this process has more than
/// some 1,300 descriptors open (it copies 256 bytes of each entry of /proc/self/fd), so tests that run together hold
/// fewer, and a program's files are closed here as soon as it has them.
package final class Command: @unchecked Sendable {
    // `Process` is set up before it is shared, and afterwards only queried and signalled.
    private let process = Process()
    private let directory: TemporaryDirectory
    private let exits: AsyncStream<Int32>

    /// Starts a program.
    ///
    /// - Parameter environment: all of its environment, apart from what programs need to be found and loaded.
    package init(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        self.directory = try TemporaryDirectory()
        let (exits, continuation) = AsyncStream<Int32>.makeStream()
        self.exits = exits
        self.process.prepare(program, arguments, environment: environment)
        for name in ["output", "errors"] {
            _ = FileManager.default.createFile(atPath: self.directory.file(name), contents: nil)
        }
        let output = FileHandle(forWritingAtPath: self.directory.file("output"))
        let errors = FileHandle(forWritingAtPath: self.directory.file("errors"))
        // Foundation keeps a process, and what it was given, for ever.
        defer { for file in [output, errors] { try? file?.close() } }
        self.process.standardInput = FileHandle.nullDevice
        self.process.standardOutput = output
        self.process.standardError = errors
        self.process.terminationHandler = { process in
            let signalled = process.terminationReason == .uncaughtSignal
            continuation.yield(process.terminationStatus + (signalled ? 128 : 0))
            continuation.finish()
        }
        try self.process.run()
    }

    /// Sends a signal.
    package func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Whether it has not ended yet.
    package var isRunning: Bool { process.isRunning }

    /// Its process identifier.
    package var processIdentifier: Int32 { process.processIdentifier }

    /// What it has written to standard error so far.
    package var errors: String {
        (try? String(contentsOfFile: directory.file("errors"), encoding: .utf8)) ?? ""
    }

    /// What it has written to standard output so far.
    package var output: String {
        (try? String(contentsOfFile: directory.file("output"), encoding: .utf8)) ?? ""
    }

    /// How many bytes it has written to standard output so far.
    package var outputBytes: Int {
        let attributes = try? FileManager.default.attributesOfItem(atPath: directory.file("output"))
        return (attributes?[.size] as? NSNumber)?.intValue ?? 0
    }

    /// Waits until it ends.
    package func wait() async throws -> CommandResult {
        var status: Int32 = -1
        for await exit in exits { status = exit }
        return CommandResult(
            status: status, output: try bytes(ofFile: directory.file("output")), errors: errors)
    }

    /// Runs a program to its end.
    package static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> CommandResult {
        try await Command(program, arguments, environment: environment).wait()
    }
}

extension Process {
    /// What to start, with `environment` and what programs need to be found and loaded.
    func prepare(_ program: String, _ arguments: [String], environment: [String: String]) {
        executableURL = URL(fileURLWithPath: program)
        self.arguments = arguments
        let kept = ["PATH", "HOME", "LD_LIBRARY_PATH"]
        let inherited = ProcessInfo.processInfo.environment.filter { kept.contains($0.key) }
        self.environment = inherited.merging(environment) { $1 }
    }
}
