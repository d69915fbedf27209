// Two rules of HTTP/1 that the codec leaves to its user, on both sides of it. How long a connection lasts (RFC 9112,
// section 9.3): HTTP/1.0 closes after each response unless both sides say otherwise, HTTP/1.1 where the client says so;
// and an HTTP/1.0 client knows neither chunks nor 100 Continue. And how much of a body may be no data: the parser skips
// extensions of chunks, however long they are.

import NIOCore
import NIOHTTP1

/// Sits between the HTTP codec and the conversion of its types, which have no version.
final class HTTP1Rules: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// A request whose response has not begun.
    private struct Pending {
        let isOld: Bool
        let closes: Bool
    }

    private let overhead: ChunkOverhead
    private var pending = CircularBuffer<Pending>()
    /// Whether the response that is being written ends where the connection does.
    private var closesAtEnd = false

    init(_ overhead: ChunkOverhead) { self.overhead = overhead }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(var head):
            overhead.bodyBegins()
            let options = head.headers[canonicalForm: "Connection"].map { $0.lowercased() }
            let isOld = head.version != .http1_1
            let closes =
                options.contains("close")
                // What an old client means by chunks is uncertain, and so is where the next request begins.
                || isOld && (!options.contains("keep-alive") || head.headers.contains(name: "Transfer-Encoding"))
            // Whoever reads it next compares the whole value.
            if closes { head.headers.replaceOrAdd(name: "Connection", value: "close") }
            if isOld { head.headers.remove(name: "Expect") }
            pending.append(Pending(isOld: isOld, closes: closes))
            context.fireChannelRead(wrapInboundOut(.head(head)))
        case .body(let bytes):
            overhead.bodyHas(bytes.readableBytes)
            context.fireChannelRead(data)
        case .end:
            overhead.bodyEnds()
            context.fireChannelRead(data)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            // What is no HTTP has a response, too, without having been a request.
            guard head.status.code >= 200, let request = pending.popFirst() else {
                return context.write(data, promise: promise)
            }
            if request.isOld { head.version = .http1_0 }
            closesAtEnd = request.isOld && !head.headers.contains(name: "Content-Length")
            if request.closes || closesAtEnd {
                head.headers.replaceOrAdd(name: "Connection", value: "close")
            } else if request.isOld, !head.headers.contains(name: "Connection") {
                head.headers.add(name: "Connection", value: "keep-alive")
            }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            context.write(data, promise: promise)
            if closesAtEnd {
                context.flush()
                context.close(mode: .output, promise: nil)
            }
        }
    }
}

/// Counts what of a body is no data, before the parser: sizes of chunks, their extensions, trailers.
final class ChunkOverhead: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct Exceeded: Error {}

    /// Always allowed, as much as a head may have.
    static let bytes = HeadLimits.allBytes
    /// Allowed besides for each byte of data: a chunk of one byte takes six.
    static let bytesPerByte = 16

    private enum State {
        case betweenBodies
        /// In a body since before this read: bytes so far that were data, and that were not.
        case body(data: Int, other: Int)
        /// The client is told, and what it goes on sending is thrown away, so that it comes to see that.
        case exceeded(discarded: Int)
    }

    private var state = State.betweenBodies
    /// Bytes of data of this read.
    private var read = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data).readableBytes
        if case .exceeded(let discarded) = state {
            state = .exceeded(discarded: discarded + bytes)
            if discarded + bytes > ConnectionState.leastDiscarded { context.close(promise: nil) }
            return
        }
        var isInBody = false
        if case .body = state { isInBody = true }
        read = 0
        context.fireChannelRead(data)
        // Bytes of a read in which a body begins belong in part to its head.
        guard isInBody, case .body(var data, var other) = state else { return }
        data += read
        other += max(0, bytes - read)
        state = .body(data: data, other: other)
        guard other > Self.bytes + Self.bytesPerByte * data else { return }
        state = .exceeded(discarded: 0)
        context.fireErrorCaught(Exceeded())
    }

    func bodyBegins() { if !isExceeded { state = .body(data: 0, other: 0) } }
    func bodyHas(_ bytes: Int) { read += bytes }
    func bodyEnds() { if !isExceeded { state = .betweenBodies } }

    private var isExceeded: Bool { if case .exceeded = state { true } else { false } }
}
