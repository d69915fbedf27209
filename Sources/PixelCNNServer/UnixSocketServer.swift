// Serves HTTP/1.1 on a listening descriptor, as a swift-service-lifecycle service: accepts connections, and drains
// them. Hummingbird's own server binds paths itself, and would unlink a live daemon's socket; so the descriptor goes to
// NIO here, with Hummingbird's loop over a connection's requests. Where the descriptor comes from makes no difference
// past `ListeningSocket`.

import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle
import Synchronization

/// The HTTP server of the daemon.
package struct UnixSocketServer: Service {
    /// A connection, and what responds on it.
    private typealias Accepted = (channel: ConnectionPipeline.Value, pipeline: ConnectionPipeline)

    /// How long connections that wait to be accepted, or are between two requests, have once a shutdown begins.
    static let drainGrace = Duration.milliseconds(200)
    /// Descriptors that connections leave free: for a reload, and for libdispatch, whose threads run all tasks. Now and
    /// then it opens a file in /proc, and ends the process where it cannot.
    package static let spareDescriptors = 16
    /// How long, past the bound of a drain, responses have to be taken.
    static let responseGrace = Duration.seconds(5)

    /// Where connections are served.
    package static var eventLoops: [any EventLoop] { Array(MultiThreadedEventLoopGroup.singleton.makeIterator()) }

    private let socket: ListeningSocket
    private let state: ServerState
    private let clientTimeout: Duration
    private let drainTimeout: Duration
    private let firstRequestGrace: Duration
    private let logger: Logger
    private let requestLog: RequestLog
    private let connections = OpenConnections()
    private let onReady: @Sendable () -> Void
    private let onDraining: @Sendable () -> Void
    private let onDrainTimeout: @Sendable () async -> Void

    /// A server that starts with ``run()``.
    ///
    /// - Parameters:
    ///   - socket: where to listen; released when the server has stopped.
    ///   - state: what the routes respond from.
    ///   - clientTimeout: connections that send nothing while a request is awaited, or that take nothing of a response,
    ///     for this long are closed.
    ///   - drainTimeout: how long requests have to end once a graceful shutdown begins.
    ///   - firstRequestGrace: how long, at most, accepted connections have then that have sent no request yet: their
    ///     clients are late, not idle.
    ///   - logger: gets one line per request.
    ///   - onReady: called once connections are accepted.
    ///   - onDraining: called once a graceful shutdown begins.
    ///   - onDrainTimeout: called where the shutdown takes longer than `drainTimeout`; it ends all jobs, and a little
    ///     later all connections are closed.
    package init(
        socket: ListeningSocket, state: ServerState, clientTimeout: Duration,
        drainTimeout: Duration, firstRequestGrace: Duration = .seconds(10), logger: Logger,
        onReady: @Sendable @escaping () -> Void = {}, onDraining: @Sendable @escaping () -> Void = {},
        onDrainTimeout: @Sendable @escaping () async -> Void = {}
    ) {
        self.socket = socket
        self.state = state
        self.clientTimeout = clientTimeout
        self.drainTimeout = drainTimeout
        self.firstRequestGrace = firstRequestGrace
        self.logger = logger
        requestLog = RequestLog(logger)
        self.onReady = onReady
        self.onDraining = onDraining
        self.onDrainTimeout = onDrainTimeout
    }

    /// Serves until a graceful shutdown has drained, or the task is cancelled.
    package func run() async throws {
        defer { socket.release() }
        let rates = Task { await state.noteRates() }
        defer { rates.cancel() }
        let group = MultiThreadedEventLoopGroup.singleton
        let quiescing = ServerQuiescingHelper(group: group)
        let gate = AcceptGate()
        let shedding = LoadShedding(state, requestLog)
        let descriptor = socket.takeDescriptor()
        let server = try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // NIO has listened again by now, with a backlog of 128 for descriptors that it did not bind.
                    ListeningSocket.setBacklog(of: descriptor)
                    try channel.pipeline.syncOperations.addHandlers(
                        gate, quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(descriptor) { child in
                PeerCredentials.of(child).flatMap { peer in
                    let pipeline = makePipeline(Client(peer, shedding), shedding)
                    return pipeline.setup(channel: child, logger: logger).map { (channel: $0, pipeline: pipeline) }
                }
            }
        gate.countDescriptors()
        let drain = Mutex<Task<Void, Never>?>(nil)
        defer { drain.withLock { $0?.cancel() } }
        try await withGracefulShutdownHandler {
            state.enter(.ready)
            onReady()
            try await serve(server)
        } onGracefulShutdown: {
            drain.withLock { $0 = Task { await self.drain(server.channel, gate, quiescing) } }
        }
    }

    private func makePipeline(_ client: Client, _ shedding: LoadShedding) -> ConnectionPipeline {
        ConnectionPipeline(
            responder: { request, writer, channel in
                try await Exchange(request, client, state, requestLog)
                    .respond(to: request, writer, channel, logger)
            },
            makeConnection: {
                Connection(client, server: state, shedding: shedding, connections: connections, timeout: clientTimeout)
            })
    }

    /// Accepts connections until the listening channel closes, then waits for those still open.
    private func serve(_ server: NIOAsyncChannel<Accepted, Never>) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    group.addTask { await connection.pipeline.handle(value: connection.channel, logger: logger) }
                }
            }
        }
    }

    /// Once the path is gone nobody new can connect, and who waits is still accepted. An inherited socket goes on
    /// without us: who waits there stays for the next process, so accepting ends at once. Quiescing closes connections
    /// whose request is not read yet, so those that have not sent their first one are waited for, and responses
    /// meanwhile say that there must be no further request. Past the bound nothing is waited for: what runs becomes
    /// 503.
    private func drain(_ server: any Channel, _ gate: AcceptGate, _ quiescing: ServerQuiescingHelper) async {
        state.enter(.draining)
        switch socket.source {
        case .path: socket.removePath()
        case .inherited: try? await gate.close(on: server)
        }
        onDraining()
        let start = ContinuousClock.now
        let end = start + drainTimeout
        do {
            try await Task.sleep(for: Self.drainGrace)
            let firstRequests = min(start + firstRequestGrace, end)
            while connections.awaited > 0, .now < firstRequests { try await Task.sleep(for: .milliseconds(10)) }
            quiescing.initiateShutdown(promise: nil)
            try await Task.sleep(until: end)
            // Not waited for: a compute thread that hangs does not end.
            Task { await onDrainTimeout() }
            try await Task.sleep(for: Self.responseGrace)
            logger.warning("\(connections.count) connections are closed before their end")
            connections.closeAll()
        } catch {
            // Everything has ended in time.
        }
    }
}

/// The connections that are open, and how many of them have not sent a request yet: a drain waits for those, since the
/// kernel has said to their clients that they are connected, and closes what is left at its end.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])
    private let newCount = Atomic<Int>(0)

    /// Connections whose first request has not come.
    var awaited: Int { newCount.load(ordering: .relaxed) }

    var count: Int { channels.withLock { $0.count } }

    /// Closes all of them.
    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }

    func add(_ channel: any Channel) {
        channels.withLock { $0[ObjectIdentifier(channel)] = channel }
        newCount.wrappingAdd(1, ordering: .relaxed)
    }

    /// The first request of a connection has come.
    func hasRequest() { newCount.wrappingSubtract(1, ordering: .relaxed) }

    /// Further calls do nothing. `isNew` says whether no request has come.
    func remove(_ channel: any Channel, isNew: Bool) {
        let removed = channels.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
        if removed != nil, isNew { newCount.wrappingSubtract(1, ordering: .relaxed) }
    }
}
