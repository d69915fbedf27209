// The whole server in this process, on a real socket in a folder of its own.

import InMemoryLogging
import Logging
import PixelCNNAPI
import ServerTestSupport
import ServiceLifecycle

@testable import PixelCNNServer

struct TestServer {
    let socket: String
    let backend: FakeBackend
    let model: ModelDescription
    let state: ServerState
    var memory: MemoryBudget { self.state.memory }
    /// What was logged, by whom it was.
    let log: InMemoryLogHandler
    /// Begins a graceful shutdown.
    let shutDown: @Sendable () async -> Void
    /// Ends once a shutdown has begun and nobody new is accepted.
    let draining: AsyncStream<Void>

    static let sha256 = String(repeating: "5a", count: 32)

    static func model(channels: Int = 3, colors: Int = 256, labelNames: [String] = []) -> ModelDescription {
        ModelDescription(
            channels: channels, height: 4, width: 5, colors: colors, blocks: 2, filters: 6, kernelSize: 3, hidden: 12,
            parameters: 1234, labels: labelNames.count, labelNames: labelNames, file: "/models/tiny.safetensors",
            bytes: 99, format: "safetensors",
            sha256: Self.sha256, instructionSet: "portable", threads: 7)
    }

    /// Serves while `body` runs, then shuts down gracefully and waits for the end.
    ///
    /// - Parameter makeSocket: makes the socket to listen on at a path.
    static func run(
        _ behaviour: FakeBackend.Behaviour = .responding, channels: Int = 3, colors: Int = 256,
        labelNames: [String] = [], limits: RequestLimits = .init(),
        maximumRequestBytes: Int = ServerState.defaultMaximumRequestBytes, drainTimeout: Duration = testTimeout,
        firstRequestGrace: Duration = .seconds(10),
        makeSocket: (SocketPath) throws -> ListeningSocket = { try ListeningSocket.bind($0) },
        _ body: (TestServer) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let path = try SocketPath(directory.file("server.sock"))
        let backend = FakeBackend(behaviour, channels: channels, colors: colors)
        let model = Self.model(channels: channels, colors: colors, labelNames: labelNames)
        let state = ServerState(
            ServedModel(model: model, backend: backend, limits: limits), maximumRequestBytes: maximumRequestBytes)
        let log = InMemoryLogHandler()
        var logger = Logger(label: "test", factory: { _ in log })
        logger.logLevel = .info
        let (ready, readiness) = AsyncStream<Void>.makeStream()
        let (draining, drain) = AsyncStream<Void>.makeStream()
        let service = UnixSocketServer(
            socket: try makeSocket(path), state: state, clientTimeout: .seconds(60), drainTimeout: drainTimeout,
            firstRequestGrace: firstRequestGrace, logger: logger,
            onReady: { readiness.finish() }, onDraining: { drain.finish() },
            onDrainTimeout: { backend.behaviour = .stopped })
        let group = ServiceGroup(configuration: .init(services: [service], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await _ in ready {}
            let server = TestServer(
                socket: path.path, backend: backend, model: model, state: state, log: log,
                shutDown: { await group.triggerGracefulShutdown() }, draining: draining)
            do {
                try await body(server)
            } catch {
                tasks.cancelAll()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
