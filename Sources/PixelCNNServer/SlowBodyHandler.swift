// Closes connections whose request body trickles. Hummingbird closes those that send no head; but each byte of a body
// counts as activity there, so a body at a byte a minute would hold its connection, and its part of memory, for days.

import NIOCore
import NIOHTTPTypes

final class SlowBodyHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Past its grace a body must have come this fast on average.
    static let bytesPerSecond = 1024.0

    private struct Body {
        let start: NIODeadline
        var bytes = 0
        var check: Scheduled<Void>?
    }

    private let grace: TimeAmount
    private var body: Body?
    private var unanswered = 0

    init(grace: TimeAmount) {
        self.grace = grace
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            unanswered += 1
            body = Body(start: .now())
            body?.check = schedule(context)
        case .body(let bytes):
            body?.bytes += bytes.readableBytes
        case .end:
            endBody()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        endBody()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { endBody() }

    private func schedule(_ context: ChannelHandlerContext) -> Scheduled<Void> {
        context.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: grace) { self.check(context) }
    }

    private func check(_ context: ChannelHandlerContext) {
        guard let body = self.body else { return }
        let seconds = Double((NIODeadline.now() - body.start).nanoseconds) * 1e-9
        // Behind a request that is being computed nothing is read: then it is not the client that is slow. A request
        // may have been answered before its body, which is then read and thrown away.
        if unanswered <= 1, Double(body.bytes) < Self.bytesPerSecond * seconds {
            return context.close(promise: nil)
        }
        self.body?.check = schedule(context)
    }

    private func endBody() {
        body?.check?.cancel()
        body = nil
    }
}
