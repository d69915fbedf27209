// One accepted connection: its pipeline, the handler that does what ConnectionState decides, and the client at the
// other end. Hummingbird's loop takes requests from here one after the other and calls the responder for each.
//
// The pipeline is the HTTP/1.1 codec between the rules of HTTP1Rules, `Connection`, and the asynchronous channel; so
// everything that comes in has been parsed, and whatever `Connection` does not forward nobody sees.

import Foundation
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Synchronization

/// A connection's pipeline, and what responds to its requests.
struct ConnectionPipeline: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: Responder
    /// Makes the handler, on the connection's event loop.
    let makeConnection: @Sendable () -> Connection

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let overhead = ChunkOverhead()
            try pipeline.addHandler(overhead)
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(), withDecoderLimitConfiguration: HeadLimits.configuration)
            try pipeline.addHandler(HTTP1Rules(overhead))
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            try pipeline.addHandler(makeConnection())
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async { await handleHTTP(asyncChannel: value, logger: logger) }
}

/// The most that a request's head may have.
enum HeadLimits {
    static let fieldBytes = 16 << 10
    static let allBytes = 64 << 10
    static let fields = 128

    fileprivate static var configuration: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = fieldBytes
        limits.maxHeaderListSize = allBytes
        limits.maxHeaderFieldCount = fields
        return limits
    }
}

/// Gives a ``ConnectionState`` what happens, and does what it decides.
final class Connection: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let client: Client
    private let server: ServerState
    private let shedding: LoadShedding
    private let connections: OpenConnections
    private var state: ConnectionState
    private var timer: Scheduled<Void>?

    init(
        _ client: Client, server: ServerState, shedding: LoadShedding, connections: OpenConnections, timeout: Duration
    ) {
        self.client = client
        self.server = server
        self.shedding = shedding
        self.connections = connections
        state = ConnectionState(timeout: timeout, at: .now)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connections.add(context.channel)
        setTimer(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    private func end(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        client.hasLeft()
        connections.remove(context.channel, isNew: state.isNew)
    }

    // MARK: - What comes

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if state.isNew { connections.hasRequest() }
            let served = server.served
            let route = Routes.routeForImages(head)
            var facts = facts(of: head.headerFields)
            facts.isForImages = route != nil
            facts.bodyLimit = served.limits.maximumBodyBytes
            let action = state.readHead(facts, canWrite: context.channel.isWritable, at: .now) {
                shedding.secondsUntilRoom(served.backend)
            }
            switch action {
            case .forward: context.fireChannelRead(data)
            case .inviteAndForward:
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
                context.fireChannelRead(data)
            case .refuse(let seconds):
                guard let route else { preconditionFailure("only requests for images are refused") }
                let (response, body) = shedding.rejection(
                    of: head, for: route, client.peer, served, retryAfterSeconds: seconds)
                context.write(wrapOutboundOut(.head(response)), promise: nil)
                context.write(wrapOutboundOut(.body(body)), promise: nil)
                send(.end(nil), bytes: body.readableBytes, context, promise: nil)
                context.flush()
            }
        case .body(let bytes):
            switch state.readBody(bytes: bytes.readableBytes, at: .now) {
            case .forward: context.fireChannelRead(data)
            case .discard: break
            case .close: context.close(promise: nil)
            }
        case .end:
            switch state.readEnd(at: .now) {
            case .forward: context.fireChannelRead(data)
            case .admitAndForward:
                client.ticket.take()
                context.fireChannelRead(data)
            case .discard: break
            }
        }
        setTimer(context)
    }

    private func facts(of fields: HTTPFields) -> ConnectionState.Head {
        var head = ConnectionState.Head()
        // During a drain the responses close the connection.
        head.closesConnection = server.currentPhase == .draining
        for field in fields {
            switch field.name {
            case .connection: head.closesConnection = field.value.lowercased() != "keep-alive" || head.closesConnection
            case .contentLength: head.contentLength = Self.length(field.value)
            case .expect: head.expectsContinue = field.value.lowercased() == "100-continue"
            default: break
            }
        }
        return head
    }

    /// A length as announced: digits, as the parser has seen to.
    static func length(_ digits: String) -> Int { Int(digits) ?? .max }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is ChunkOverhead.Exceeded:
            state.readMalformed(.tooMuchOverhead)
            // What whoever awaits the body knows.
            return context.fireErrorCaught(HTTPParserError.invalidChunkSize)
        case HTTPParserError.headerOverflow: state.readMalformed(.headTooLarge)
        case let error as HTTPParserError: state.readMalformed(.notHTTP("\(error)"))
        default: break
        }
        context.fireErrorCaught(error)
    }

    // MARK: - What goes

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            let action = state.writeHead(
                isBare400: head.status == .badRequest && head.headerFields[.contentLength] == "0",
                closesConnection: head.headerFields[.connection] == "close")
            switch action {
            case .forward: context.write(data, promise: promise)
            case .replace(let malformation):
                let problem = ProblemResponse(malformation)
                var response = problem.response
                response.headers[.connection] = "close"
                ResponseHeaders.add(to: &response.headers, server.served.model, requestID: RequestID.make())
                context.write(wrapOutboundOut(.head(response.head)), promise: promise)
                context.write(wrapOutboundOut(.body(ByteBuffer(bytes: problem.body))), promise: nil)
            }
        case .body(let bytes):
            // An empty one only waits for its predecessors.
            if bytes.readableBytes == 0 { return context.write(data, promise: promise) }
            send(.body(bytes), bytes: bytes.readableBytes, context, promise: promise)
        case .end(let trailers):
            client.ticket.giveBack()
            let action = state.writeEnd(at: .now)
            send(.end(trailers), bytes: 0, context, promise: promise)
            switch action {
            case .keepOpen: break
            case .close:
                context.flush()
                context.close(promise: nil)
            case .closeSoon:
                let channel = context.channel
                context.eventLoop.scheduleTask(in: TimeAmount(ConnectionState.lastResponseGrace)) {
                    channel.close(promise: nil)
                }
            }
        }
        setTimer(context)
    }

    /// Writes what the client has to take.
    private func send(
        _ part: HTTPResponsePart, bytes: Int, _ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?
    ) {
        state.willSend(at: .now)
        let promise = promise ?? context.eventLoop.makePromise()
        promise.futureResult.assumeIsolatedUnsafeUnchecked().whenComplete { _ in
            self.state.didSend(bytes: bytes, at: .now)
        }
        context.write(wrapOutboundOut(part), promise: promise)
    }

    // MARK: - Time and drain

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent else { return context.fireUserInboundEventTriggered(event) }
        if state.drain() { context.close(promise: nil) }
    }

    private func setTimer(_ context: ChannelHandlerContext) {
        guard let instant = state.timerToSet() else { return }
        timer?.cancel()
        timer = context.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: TimeAmount(instant - .now)) {
            if self.state.timerFired(at: .now) {
                context.close(promise: nil)
            } else {
                self.setTimer(context)
            }
        }
    }
}

/// The client at the other end of a connection, and what runs for it. The kernel reports at once that a peer has closed
/// altogether, whether or not anything is read; whatever runs for it is cancelled then.
final class Client: Sendable {
    private struct Work: Sendable {
        var hasLeft = false
        var started: UInt64 = 0
        /// What cancels each operation that runs: one, or for a moment two, as HTTP/1.1 responds in order.
        var running: [UInt64: @Sendable () -> Void] = [:]
    }

    let peer: PeerCredentials?
    /// Of the request that is on its way to the queue.
    let ticket: AdmissionTicket
    private let work = Mutex(Work())

    init(_ peer: PeerCredentials?, _ shedding: LoadShedding) {
        self.peer = peer
        ticket = AdmissionTicket(shedding)
    }

    /// The connection has closed.
    func hasLeft() {
        ticket.giveBack()
        let running = work.withLock { work in
            work.hasLeft = true
            return work.running
        }
        for cancel in running.values { cancel() }
    }

    /// Starts `operation`, which is cancelled when the connection closes.
    func start<Value: Sendable>(_ operation: @Sendable @escaping () async throws -> Value) -> Task<Value, any Error> {
        // Under the lock, so that an operation that ends at once finds itself registered.
        work.withLock { work in
            work.started += 1
            let number = work.started
            let task = Task {
                defer { self.work.withLock { $0.running[number] = nil } }
                return try await operation()
            }
            if work.hasLeft { task.cancel() }
            work.running[number] = { task.cancel() }
            return task
        }
    }

    /// Runs `operation`, cancelled when the connection closes or the calling task is cancelled.
    func run<Value: Sendable>(_ operation: @Sendable @escaping () async throws -> Value) async throws -> Value {
        let task = start(operation)
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// Who is at the other end of a connection, by the kernel's word (SO_PEERCRED): the process that connected, and its
/// user.
package struct PeerCredentials: Sendable, Equatable {
    package let processIdentifier: pid_t
    package let user: uid_t

    /// struct ucred, which the C library hides behind _GNU_SOURCE.
    struct Kernel: Sendable {
        let pid: pid_t
        let uid: uid_t
        let gid: gid_t
    }

    /// Reads it from the kernel, on the connection's event loop without waiting.
    static func of(_ channel: any Channel) -> EventLoopFuture<PeerCredentials?> {
        guard let options = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(nil)
        }
        let found: EventLoopFuture<Kernel> = options.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return found.map { PeerCredentials(processIdentifier: $0.pid, user: $0.uid) }
            .flatMapErrorThrowing { _ in nil }
    }
}
