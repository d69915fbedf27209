// The installed units under a real systemd: `with-systemd` boots one over a throw-away view of this machine's files,
// and `scenario` goes through what the units promise. That takes root; elsewhere it is skipped, but never where CI is
// true.

import Foundation
import ServerTestSupport
import Testing

enum Systemd {
    private static let folder = "\(Installation.source)/Tests/Systemd"

    static let absence: Comment = "a separate systemd can only be booted by root, with overlayfs (see with-systemd)"

    /// Whether the test is to run.
    static func isAvailable() async -> Bool {
        if ProcessInfo.processInfo.environment["CI"] == "true" { return true }
        guard getuid() == 0 else { return false }
        return (try? await boot(["true"]).status) == 0
    }

    /// Runs the scenario inside.
    static func scenario() async throws -> CommandResult {
        try await boot(["\(folder)/scenario", Installation.source, Installation.build])
    }

    private static func boot(_ command: [String]) async throws -> CommandResult {
        try await Command.run(
            "\(folder)/with-systemd", ["--limits", "--timeout", "1800", "--"] + command)
    }
}

@Suite struct SystemdTests {
    @Test(.enabled(Systemd.absence) { await Systemd.isAvailable() })
    func theInstalledUnitsKeepWhatTheyPromise() async throws {
        let result = try await Systemd.scenario()
        #expect(result.status == 0, "\(result.text)\(result.errors)")
        #expect(result.text.hasSuffix("all steps done\n"), "\(result.text)")
    }
}
