// A connection of the browser's, and the connection to the daemon that each of its requests gets. Heads are read on
// both sides as the daemon reads them, and written anew; bodies pass as they come, and neither side gets more than it
// takes.
// A connection to the daemon has one request and its response, so nothing in a request can become another one, and a
// daemon that is restarted is found again. All of it is on one event loop.
//
// A browser that closes its side has left: its request is cancelled by closing the daemon's connection.

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import PixelCNNAPI
import Support

/// The handler of the browser's side, behind HTTP's codec and a handler that lets in one request at a time.
final class BrowserConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// How long a client has to take its last response while it is still sending: closing throws away what it has not
    /// read yet.
    private static let lastResponseGrace = TimeAmount.seconds(1)
    /// How long a connection may be open that has not shown the token.
    private static let strangerTimeout = TimeAmount.seconds(60)

    private enum State {
        /// Between two requests.
        case idle
        case forwarding(DaemonConnection)
        /// The response has ended before the request, of which what comes is thrown away.
        case discarding
        /// The last response has ended, or the connection.
        case ended
    }

    /// What matters of the request for its response.
    private struct Request {
        var method = HTTPMethod.GET
        var isLast = true
        var hasEnded = false
        var hasResponse = false
    }

    private let client: DaemonClient
    private let session: PageSession
    private let connections: ProxiedConnections
    private var state = State.idle
    private var request = Request()
    private var context: ChannelHandlerContext?
    private var readIsHeld = false
    private var timer: Scheduled<Void>?

    init(_ client: DaemonClient, _ session: PageSession, _ connections: ProxiedConnections) {
        self.client = client
        self.session = session
        self.connections = connections
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        connections.add(self)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.strangerTimeout) { self.close() }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        connections.remove(self)
        if case .forwarding(let daemon) = state { daemon.leave() }
        state = .ended
        self.context = nil
        context.fireChannelInactive()
    }

    func close() { context?.close(promise: nil) }

    // MARK: - Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): if case .idle = state { begin(head, context) }
        case .body(let bytes): if case .forwarding(let daemon) = state { daemon.send(.body(.byteBuffer(bytes))) }
        case .end:
            request.hasEnded = true
            switch state {
            case .forwarding(let daemon): daemon.send(.end(nil))
            case .discarding: state = .idle
            case .idle, .ended: break
            }
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // The parser stops behind a request that would leave HTTP.
        let isLast = !head.isKeepAlive || head.headers.contains(name: "Upgrade")
        request = Request(method: head.method, isLast: isLast)
        switch session.judge(head) {
        case .refuse(let reason):
            request.isLast = true
            respond(.forbidden, reason)
        case .enter(let entrance):
            timer?.cancel()
            var fields: HTTPHeaders = ["Set-Cookie": session.cookie, "Referrer-Policy": "no-referrer"]
            switch entrance {
            case .redirect: fields.add(name: "Location", value: "/")
            case .refresh: fields.add(name: "Refresh", value: "0; url=/")
            }
            respond(entrance == .redirect ? .seeOther : .ok, fields, [])
        case .forward:
            timer?.cancel()
            guard connections.hasShownToken(self) else {
                request.isLast = true
                let reason = "there are \(ProxiedConnections.maximum) connections already; close some pages"
                return respond(.serviceUnavailable, reason)
            }
            let daemon = DaemonConnection(of: self)
            state = .forwarding(daemon)
            daemon.send(.head(head.forDaemon))
            daemon.connect(client, on: context.eventLoop)
        }
    }

    // MARK: - Responses

    /// A part of the daemon's response to the present request.
    func send(_ part: HTTPClientResponsePart) {
        guard let context else { return }
        switch part {
        case .head(let head):
            var head = head.forBrowser(inResponseTo: request.method)
            if head.status.code >= 200 {
                request.hasResponse = true
                if request.isLast { head.headers.add(name: "Connection", value: "close") }
            }
            context.write(wrapOutboundOut(.head(head)), promise: nil)
        case .body(let bytes): context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        case .end:
            if case .forwarding(let daemon) = state { daemon.leave() }
            endResponse(context)
        }
    }

    func flush() { context?.flush() }

    /// The daemon's connection has ended before its response.
    func daemonHasFailed(_ reason: String) {
        // What has come of a response cannot be taken back: that it ends early shows that it is not whole.
        if request.hasResponse { close() } else { respond(.badGateway, reason) }
    }

    /// A response of our own: a problem, as the daemon's own are.
    private func respond(_ status: HTTPResponseStatus, _ detail: String) {
        let problem = Problem(status: Int(status.code), title: status.reasonPhrase, detail: detail)
        let body = (try? JSONCoding.encode(problem)) ?? []
        respond(status, ["Content-Type": MediaTypeName.problem], body)
    }

    private func respond(_ status: HTTPResponseStatus, _ fields: HTTPHeaders, _ body: [UInt8]) {
        guard let context else { return }
        var fields = fields
        fields.add(name: "Content-Length", value: "\(body.count)")
        fields.add(name: "Cache-Control", value: "no-store")
        if request.isLast { fields.add(name: "Connection", value: "close") }
        request.hasResponse = true
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: fields))), promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        }
        endResponse(context)
    }

    private func endResponse(_ context: ChannelHandlerContext) {
        // Before the end is written, which lets in the next request.
        state = request.isLast ? .ended : request.hasEnded ? .idle : .discarding
        let written = request.isLast ? context.eventLoop.makePromise(of: Void.self) : nil
        let grace = request.hasEnded ? .zero : Self.lastResponseGrace
        written?.futureResult.assumeIsolated().whenComplete { _ in
            context.eventLoop.assumeIsolated().scheduleTask(in: grace) { self.close() }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        releaseRead()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Behind the last request nothing is read, so nothing in it matters.
        if case .ended = state, !(error is IOError) { return }
        guard error is HTTPParserError, !request.hasResponse || request.hasEnded else {
            return context.close(promise: nil)
        }
        if case .forwarding(let daemon) = state { daemon.leave() }
        request = Request()
        respond(.badRequest, "the request is not HTTP/1.1 (\(error))")
    }

    // MARK: - Back-pressure

    /// Whether the browser takes what is written.
    var takes: Bool { context?.channel.isWritable ?? true }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if takes, case .forwarding(let daemon) = state { daemon.releaseRead() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if case .forwarding(let daemon) = state, !daemon.takes {
            readIsHeld = true
        } else {
            context.read()
        }
    }

    /// Reads on, where that was held back until the daemon takes more.
    func releaseRead() {
        guard readIsHeld else { return }
        readIsHeld = false
        context?.read()
    }
}

/// The handler of the daemon's side, for one request. Until it is connected, what is sent waits here: no more than one
/// read of the browser's connection.
final class DaemonConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    /// Nil once the response has ended, or is not wanted any more.
    private var browser: BrowserConnection?
    private var context: ChannelHandlerContext?
    private var waiting: [HTTPClientRequestPart] = []
    private var readIsHeld = false

    init(of browser: BrowserConnection) { self.browser = browser }

    /// Connects to the first daemon that accepts a connection.
    func connect(_ client: DaemonClient, on eventLoop: any EventLoop) {
        let handler = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.makeFutureWithTask { try await client.connectedSocket() }
            .flatMap { descriptor in
                guard handler.value.browser != nil else {
                    Foundation.close(descriptor)
                    return eventLoop.makeSucceededVoidFuture()
                }
                return ClientBootstrap(group: eventLoop)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            var encoder = HTTPRequestEncoder.Configuration()
                            encoder.automaticallySetFramingHeaders = false
                            let decoder = HTTPResponseDecoder(informationalResponseStrategy: .forward)
                            let pipeline = channel.pipeline.syncOperations
                            try pipeline.addHandler(HTTPRequestEncoder(configuration: encoder))
                            try pipeline.addHandler(ByteToMessageHandler(decoder))
                            try pipeline.addHandler(NIOHTTPRequestHeadersValidator())
                            try pipeline.addHandler(handler.value)
                        }
                    }
                    .withConnectedSocket(descriptor).map { _ in }
            }
            .whenFailure { error in handler.value.fail((error as? Failure)?.message ?? "no daemon (\(error))") }
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let browser else { return context.close(promise: nil) }
        self.context = context
        for part in waiting { context.write(wrapOutboundOut(part), promise: nil) }
        waiting = []
        context.flush()
        context.fireChannelActive()
        browser.releaseRead()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        fail("the daemon closed the connection before it had responded; its log says why")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? HTTPParserError, error != .invalidEOFState {
            fail("what passed between the browser and the daemon is not HTTP (\(error))")
        }
        context.close(promise: nil)
    }

    private func fail(_ reason: String) {
        let browser = browser
        self.browser = nil
        browser?.daemonHasFailed(reason)
    }

    /// Nothing more is wanted of it.
    func leave() {
        browser = nil
        context?.close(promise: nil)
    }

    /// A part of the request.
    func send(_ part: HTTPClientRequestPart) {
        if let context { context.writeAndFlush(wrapOutboundOut(part), promise: nil) } else { waiting.append(part) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { browser?.send(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) {
        browser?.flush()
        context.fireChannelReadComplete()
    }

    // MARK: - Back-pressure

    /// Whether the daemon takes what is sent.
    var takes: Bool { context?.channel.isWritable ?? false }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if takes { browser?.releaseRead() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if browser?.takes ?? true {
            context.read()
        } else {
            readIsHeld = true
        }
    }

    /// Reads on, where that was held back until the browser takes more.
    func releaseRead() {
        guard readIsHeld else { return }
        readIsHeld = false
        context?.read()
    }
}

// MARK: - Heads

extension HTTPHeaders {
    /// Takes out what belongs to one connection alone, and says how the body ends as both sides' codecs take it: by its
    /// length, else in chunks. What else `Connection` names stays: it could name a field that this depends on.
    fileprivate mutating func frame(hasBody: Bool) {
        let isChunked = hasBody && !contains(name: "Content-Length")
        for name in ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"] {
            remove(name: name)
        }
        if isChunked { add(name: "Transfer-Encoding", value: "chunked") }
    }
}

extension HTTPRequestHead {
    /// The same request for the daemon, which gets no cookies: those of the whole host would be among them.
    fileprivate var forDaemon: HTTPRequestHead {
        var head = self
        head.headers.frame(hasBody: headers.contains(name: "Transfer-Encoding"))
        head.headers.remove(name: "Cookie")
        return head
    }
}

extension HTTPResponseHead {
    /// The same response for the browser.
    fileprivate func forBrowser(inResponseTo method: HTTPMethod) -> HTTPResponseHead {
        var head = self
        head.version = .http1_1
        head.headers.frame(hasBody: method != .HEAD && status.mayHaveResponseBody)
        return head
    }
}
