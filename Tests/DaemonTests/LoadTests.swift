// The load scripts of Tests/Load in their short form: every client gets the right response, and counts, descriptors
// and threads return to what they were. Times are `make load`'s affair.

import Foundation
import ServerTestSupport
import Testing

@Suite(.timeLimit(.minutes(30))) struct LoadTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Load").standardized.path

    private func run(_ script: String, _ arguments: [String] = []) async throws {
        let result = try await Command.run(
            "/usr/bin/env",
            ["python3", "\(Self.folder)/\(script)", "--quick", "--daemon", Programs.daemon] + arguments)
        #expect(result.status == 0, "\(script): \(result.errors)")
    }

    @Test func aFloodIsServedWithoutExceptionAndDescriptorsMayRunOut() async throws {
        try await run("flood.py", ["--clients", "300"])
    }

    @Test func clientsThatLeaveFreeTheirImages() async throws {
        try await run("disconnect.py", ["--disconnects", "24"])
    }

    @Test func mixedLoadIsServedAsItMustBe() async throws {
        try await run("soak.py")
    }

    @Test func onePixelIsServedOnKeptAndNewConnections() async throws {
        try await run("overhead.py")
    }
}
