// Serves HTTP/1.1 on a listening descriptor, as a swift-service-lifecycle service. Hummingbird's own server binds paths
// itself, and would unlink a live daemon's socket; so the descriptor goes to NIO here, with Hummingbird's connection
// handling. Where the descriptor comes from makes no difference past `ListeningSocket`.

import HTTPTypes
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOHTTPTypes
import NIOPosix
public import ServiceLifecycle

/// The HTTP server of the daemon.
public struct UnixSocketServer: Service {
    /// A connection, and what answers it.
    typealias Connection = (channel: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, http: HTTP1Channel)

    /// How long connections that are accepted, or wait to be, have to send their request once a shutdown begins.
    static let drainGrace = Duration.milliseconds(200)

    private let socket: ListeningSocket
    private let state: ServerState
    private let clientTimeout: TimeAmount
    private let logger: Logger
    private let onReady: @Sendable () -> Void
    private let onDraining: @Sendable () -> Void

    /// A server that starts with ``run()``.
    ///
    /// - Parameters:
    ///   - socket: where to listen; released when the server has stopped.
    ///   - state: what the routes answer from.
    ///   - clientTimeout: connections that send nothing while a request is awaited, or that take nothing of an answer,
    ///     for this long are closed.
    ///   - logger: gets a line for each request.
    ///   - onReady: called once connections are accepted.
    ///   - onDraining: called once a graceful shutdown begins.
    public init(
        socket: ListeningSocket, state: ServerState, clientTimeout: Duration = .seconds(60), logger: Logger,
        onReady: @Sendable @escaping () -> Void = {}, onDraining: @Sendable @escaping () -> Void = {}
    ) {
        self.socket = socket
        self.state = state
        self.clientTimeout = TimeAmount(clientTimeout)
        self.logger = logger
        self.onReady = onReady
        self.onDraining = onDraining
    }

    /// Serves until a graceful shutdown has drained, or the task is cancelled.
    public func run() async throws {
        defer { self.socket.release() }
        let rates = Task { await self.state.noteRates() }
        defer { rates.cancel() }
        let group = MultiThreadedEventLoopGroup.singleton
        let quiescing = ServerQuiescingHelper(group: group)
        let gate = AcceptGate()
        let (responder, refusals) = (Routes.responder(for: self.state), Refusals(self.state, logger: self.logger))
        let descriptor = self.socket.takeDescriptor()
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
                let http = self.makeHTTPChannel(responder, refusals)
                return http.setup(channel: child, logger: self.logger).map { (channel: $0, http: http) }
            }
        try await withGracefulShutdownHandler {
            self.state.enter(.ready)
            self.onReady()
            try await self.serve(server)
        } onGracefulShutdown: {
            Task { await self.drain(server.channel, gate, quiescing) }
        }
    }

    /// Accepts connections until the listening channel closes, then waits for those still open.
    private func serve(_ server: NIOAsyncChannel<Connection, Never>) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await server.executeThenClose { connections in
                for try await connection in connections {
                    group.addTask { await connection.http.handle(value: connection.channel, logger: self.logger) }
                }
            }
        }
    }

    /// Once the path is gone nobody new can connect, and who waits is still accepted. An inherited socket goes on
    /// without us: who waits there stays for the next process, so accepting ends at once. Quiescing closes connections
    /// whose request is not read yet, so those that are on their way get a moment first.
    private func drain(_ server: any Channel, _ gate: AcceptGate, _ quiescing: ServerQuiescingHelper) async {
        self.state.enter(.draining)
        switch self.socket.source {
        case .path: self.socket.removePath()
        case .inherited: try? await gate.close(on: server)
        }
        self.onDraining()
        try? await Task.sleep(for: Self.drainGrace)
        quiescing.initiateShutdown(promise: nil)
    }

    /// What answers one connection.
    private func makeHTTPChannel(
        _ responder: some HTTPResponder<ServerContext>, _ refusals: Refusals
    ) -> HTTP1Channel {
        let state = self.state
        let metrics = state.metrics
        let (watch, pass) = (ConnectionWatch(), QueuePass(refusals))
        let maximumBodyBytes = state.limits.maximumBodyBytes
        let (fieldBytes, allBytes, fields) = MalformedRequestHandler.limits
        return HTTP1Channel(
            responder: { request, writer, channel in
                let memory = RequestMemory(state.memory)
                defer { memory.giveBack() }
                let context = ServerContext(
                    source: .init(logger: self.logger, watch: watch, memory: memory, pass: pass))
                let start = metrics.requestBegan()
                var status = ServerMetrics.clientLeft
                var requestID = ""
                defer { metrics.requestEnded(path: request.uri.path, status: status, since: start) }
                do {
                    let response = try await responder.respond(to: request, context: context)
                    requestID = response.headers[.requestID] ?? ""
                    try await self.write(response, to: writer, channel)
                    status = response.status.code
                    if response.headers[.connection] == "close" { channel.closeAfterLastAnswer() }
                } catch let error as HTTPParserError {
                    // The body is not HTTP; the connection answers.
                    status = HTTPResponse.Status.badRequest.code
                    throw error
                } catch let failure as SampleStream.ToldFailure {
                    status = self.fail(failure.error, requestID)
                } catch  where !(error is CancellationError) && channel.isActive {
                    // The head has gone out, with its 200; the connection is closed in the middle of the body.
                    status = self.fail(error, requestID)
                    throw error
                }
            },
            configuration: .init(
                additionalChannelHandlers: [
                    MalformedRequestHandler(AnswerHeadersMiddleware(state.model)),
                    DiscardLimit(maximumBytes: max(maximumBodyBytes, DiscardLimit.least)),
                    RefusalHandler(refusals, pass),
                    ContinueHandler(maximumBodyBytes: maximumBodyBytes), SlowBodyHandler(grace: self.clientTimeout),
                    watch,
                ],
                idleTimeout: self.clientTimeout,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: fieldBytes, maxHeaderListSize: allBytes, maxHeaderFieldCount: fields)))
    }

    /// Logs what failed after an answer's head; the status that it counts as.
    private func fail(_ error: any Error, _ requestID: String) -> Int {
        self.logger.error("Request failed", metadata: ["request": "\(requestID)", "error": "\(error)"])
        return HTTPResponse.Status.internalServerError.code
    }

    /// Small answers in one go, others at the client's pace.
    private func write(
        _ response: Response, to writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let hangUp = channel.scheduleHangUp(in: self.clientTimeout)
        defer { hangUp.cancel() }
        if let length = response.body.contentLength, length <= PatientBodyWriter.pieceBytes {
            return try await writer.write(response: response.head, body: response.body)
        }
        let base = try await writer.writeHead(response.head)
        hangUp.cancel()
        try await response.body.write(PatientBodyWriter(base, channel: channel, patience: self.clientTimeout))
    }
}
