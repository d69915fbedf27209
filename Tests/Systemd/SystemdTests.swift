// The installed units under a real systemd: `with-systemd` boots one over a throw-away view of this machine's files, and
// `scenario` goes through what the units promise. That takes root; elsewhere it is skipped, but never where CI is true.

import Foundation
import Testing

enum Systemd {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let source = folder.appendingPathComponent("../..").standardized.path
    private static let build = URL(
        fileURLWithPath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/"
    ).deletingLastPathComponent().path

    static let absence: Comment = "a systemd of its own can only be booted by root, with overlayfs (see with-systemd)"

    /// Whether the test is to run.
    static let isAvailable: Bool =
        ProcessInfo.processInfo.environment["CI"] == "true"
        || (getuid() == 0 && (try? boot(["true"]).status) == 0)

    /// Runs the scenario inside; its exit status and all that it printed.
    static func scenario() throws -> (status: Int32, output: String) {
        try boot(["\(folder.path)/scenario", source, build])
    }

    private static func boot(_ command: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = folder.appendingPathComponent("with-systemd")
        process.arguments = ["--timeout", "240", "--"] + command
        let pipe = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }
}

@Suite struct SystemdTests {
    @Test(.enabled(if: Systemd.isAvailable, Systemd.absence))
    func theInstalledUnitsKeepWhatTheyPromise() throws {
        let result = try Systemd.scenario()
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.hasSuffix("all steps done\n"), "\(result.output)")
    }
}
