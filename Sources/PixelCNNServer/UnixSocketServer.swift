// Serves HTTP/1.1 on a listening descriptor, as a swift-service-lifecycle service. Hummingbird's own server binds paths
// itself, and would unlink a live daemon's socket; so the descriptor goes to NIO here, with Hummingbird's connection
// handling. Where the descriptor comes from makes no difference past `ListeningSocket`.

import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOHTTPTypes
import NIOPosix
import ServiceLifecycle
import Synchronization

/// The HTTP server of the daemon.
package struct UnixSocketServer: Service {
    /// A connection, and what answers it.
    typealias Connection = (channel: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, http: HTTP1Channel)

    /// How long connections that wait to be accepted, or are between two requests, have once a shutdown begins.
    static let drainGrace = Duration.milliseconds(200)
    /// How long, at most, accepted connections that have sent no request yet have: their clients are late, not idle.
    static let firstRequestGrace = Duration.seconds(10)
    /// How long, past the bound of a drain, answers have to be taken.
    static let answerGrace = Duration.seconds(5)

    private let socket: ListeningSocket
    private let state: ServerState
    private let clientTimeout: TimeAmount
    private let drainTimeout: Duration
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
    ///   - state: what the routes answer from.
    ///   - clientTimeout: connections that send nothing while a request is awaited, or that take nothing of an answer,
    ///     for this long are closed.
    ///   - drainTimeout: how long requests have to end once a graceful shutdown begins.
    ///   - logger: gets a line for each request.
    ///   - onReady: called once connections are accepted.
    ///   - onDraining: called once a graceful shutdown begins.
    ///   - onDrainTimeout: called where the shutdown takes longer than `drainTimeout`; it ends all jobs, and a little
    ///     later
    ///     all connections are closed.
    package init(
        socket: ListeningSocket, state: ServerState, clientTimeout: Duration = .seconds(60),
        drainTimeout: Duration = .seconds(30), logger: Logger, onReady: @Sendable @escaping () -> Void = {},
        onDraining: @Sendable @escaping () -> Void = {}, onDrainTimeout: @Sendable @escaping () async -> Void = {}
    ) {
        self.socket = socket
        self.state = state
        self.clientTimeout = TimeAmount(clientTimeout)
        self.drainTimeout = drainTimeout
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
        let (responder, refusals) = (Routes.responder(for: state), Refusals(state, requestLog))
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
                    let http = makeHTTPChannel(responder, refusals, peer)
                    return http.setup(channel: child, logger: logger).map { (channel: $0, http: http) }
                }
            }
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

    /// Accepts connections until the listening channel closes, then waits for those still open.
    private func serve(_ server: NIOAsyncChannel<Connection, Never>) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    group.addTask { await connection.http.handle(value: connection.channel, logger: logger) }
                }
            }
        }
    }

    /// Once the path is gone nobody new can connect, and who waits is still accepted. An inherited socket goes on
    /// without us: who waits there stays for the next process, so accepting ends at once. Quiescing closes connections
    /// whose request is not read yet, so those that have not sent their first one are waited for, and answers meanwhile
    /// say that there must be no further request. Past the bound nothing is waited for: what runs is answered 503.
    private func drain(_ server: any Channel, _ gate: AcceptGate, _ quiescing: ServerQuiescingHelper) async {
        state.enter(.draining)
        switch socket.source {
        case .path: socket.removePath()
        case .inherited: try? await gate.close(on: server)
        }
        onDraining()
        let (start, end) = (ContinuousClock.now, ContinuousClock.now + drainTimeout)
        do {
            try await Task.sleep(for: Self.drainGrace)
            let firstRequests = min(start + Self.firstRequestGrace, end)
            while self.connections.awaited > 0, .now < firstRequests { try await Task.sleep(for: .milliseconds(10)) }
            quiescing.initiateShutdown(promise: nil)
            try await Task.sleep(until: end)
            await onDrainTimeout()
            try await Task.sleep(for: Self.answerGrace)
            logger.warning("\(self.connections.count) connections are closed before their end")
            self.connections.closeAll()
        } catch {
            // Everything has ended in time.
        }
    }

    /// What answers one connection, at whose other end is `peer`.
    private func makeHTTPChannel(
        _ responder: some HTTPResponder<ServerContext>, _ refusals: Refusals, _ peer: PeerCredentials?
    ) -> HTTP1Channel {
        let state = self.state
        let metrics = state.metrics
        let (watch, pass) = (ConnectionWatch(), QueuePass(refusals))
        let (fieldBytes, allBytes, fields) = MalformedRequestHandler.limits
        return HTTP1Channel(
            responder: { request, writer, channel in
                let served = state.beginRequest()
                let memory = RequestMemory(state.memory)
                let record = RequestRecord(
                    requestID: AnswerHeadersMiddleware.requestID(of: request.headers), peer: peer)
                let context = ServerContext(
                    source: .init(
                        logger: logger, watch: watch, memory: memory, pass: pass, served: served, record: record))
                let start = metrics.requestBegan()
                var status = ServerMetrics.clientLeft
                defer {
                    memory.giveBack()
                    metrics.requestEnded(path: request.uri.path, status: status, since: start)
                    requestLog.log(request.method, request.uri.path, record, status: status, since: start)
                    state.endRequest(served)
                }
                do {
                    let response = try await responder.respond(to: request, context: context)
                    try await write(response, to: writer, channel)
                    status = response.status.code
                    if response.headers[.connection] == "close" { channel.closeAfterLastAnswer() }
                } catch let error as HTTPParserError {
                    // The body is not HTTP; the connection answers.
                    status = HTTPResponse.Status.badRequest.code
                    throw error
                } catch let failure as SampleStream.ToldFailure {
                    status = fail(failure.error, record.requestID)
                } catch  where !(error is CancellationError) && channel.isActive {
                    // The head has gone out, with its 200; the connection is closed in the middle of the body.
                    status = fail(error, record.requestID)
                    throw error
                }
            },
            configuration: .init(
                additionalChannelHandlers: [
                    OpenConnectionHandler(connections), MalformedRequestHandler(state: state),
                    DiscardLimit(state: state), RefusalHandler(refusals, pass, peer), ContinueHandler(state: state),
                    SlowBodyHandler(grace: clientTimeout), watch,
                ],
                idleTimeout: clientTimeout,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: fieldBytes, maxHeaderListSize: allBytes, maxHeaderFieldCount: fields)))
    }

    /// Logs what failed after an answer's head; the status that it counts as.
    private func fail(_ error: any Error, _ requestID: String) -> Int {
        logger.error("Request failed", metadata: ["request": "\(requestID)", "error": "\(error)"])
        return HTTPResponse.Status.internalServerError.code
    }

    /// Small answers in one go, others at the client's pace.
    private func write(
        _ response: Response, to writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let hangUp = channel.scheduleHangUp(in: clientTimeout)
        defer { hangUp.cancel() }
        if let length = response.body.contentLength, length <= PatientBodyWriter.pieceBytes {
            return try await writer.write(response: response.head, body: response.body)
        }
        let base = try await writer.writeHead(response.head)
        hangUp.cancel()
        try await response.body.write(
            PatientBodyWriter(
                base, channel: channel, patience: clientTimeout,
                isLengthKnown: response.body.contentLength != nil))
    }
}
