// The built executables, run as a user runs them. They are found beside the test bundle; the model is the tiny one that
// all tests share.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

enum Programs {
    static let folder: String = {
        let bundle = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: bundle ?? "/").deletingLastPathComponent().path
    }()
    static let daemon = "\(folder)/pixelcnnd"
    static let client = "\(folder)/pixelcnn"

    /// 8 × 8 pixels of 3 channels of 256 values.
    static let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Fixtures/tiny.pt").standardized.path

    static func client(
        _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> CommandResult {
        try await Command.run(self.client, arguments, environment: environment)
    }
}

/// A running pixelcnnd on a socket of its own.
struct RunningDaemon {
    let directory: TemporaryDirectory
    let socket: String
    let command: Command

    /// Starts a daemon and waits until it is ready.
    static func start(
        in directory: TemporaryDirectory? = nil, _ arguments: [String] = []
    ) async throws -> RunningDaemon {
        let directory = try directory ?? TemporaryDirectory()
        let socket = directory.file("d.sock")
        let command = try Command(
            Programs.daemon, ["--socket", socket, "--model", Programs.model] + arguments)
        let daemon = RunningDaemon(directory: directory, socket: socket, command: command)
        var isReady = false
        _ = await eventually {
            isReady = PlainRequest.get(Endpoint.readiness, socket: socket) != nil
            return isReady || !command.isRunning
        }
        if !isReady { command.signal(SIGKILL) }
        try #require(isReady, "\(command.errors)")
        return daemon
    }

    /// Runs `body` with a daemon, and stops it whatever happens.
    static func run(_ arguments: [String] = [], _ body: (RunningDaemon) async throws -> Void) async throws {
        let daemon = try await start(in: nil, arguments)
        do {
            try await body(daemon)
        } catch {
            daemon.command.signal(SIGKILL)
            throw error
        }
        let result = try await daemon.stop()
        #expect(result.status == 0, "\(result.errors)")
    }

    func stop(_ signal: Int32 = SIGTERM) async throws -> CommandResult {
        command.signal(signal)
        return try await command.wait()
    }

    func client(_ arguments: [String]) async throws -> CommandResult {
        try await Programs.client(arguments, environment: ["PIXELCNN_SOCKET": socket])
    }

    /// The daemon's counters, nil where it does not response.
    func status() async -> StatusDescription? {
        guard let body = PlainRequest.get(Endpoint.status, socket: socket) else { return nil }
        return try? JSONCoding.decode(StatusDescription.self, from: body)
    }

    /// What of the daemon lies in memory.
    func residentBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(command.processIdentifier)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }

    func describeModel() async throws -> ModelDescription {
        try JSONCoding.decode(
            ModelDescription.self, from: await Curl.send(Endpoint.model, socket: socket).body)
    }
}

/// What is said of images, in the JSON of the daemon or of the client, which adds their files.
func scores(_ json: [UInt8]) throws -> ScoreResponse { try JSONCoding.decode(ScoreResponse.self, from: json) }
