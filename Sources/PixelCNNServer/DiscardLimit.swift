// What a client goes on sending after its answer (it was refused, and its body never ends) is read and thrown away, so
// that it comes to see the answer; but not without end.

import HTTPTypes
import NIOCore
import NIOHTTPTypes

final class DiscardLimit: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Far more than lies in a socket's buffers.
    static let least = 4 << 20

    private let state: ServerState
    private var unanswered = 0
    private var discarded = 0

    init(state: ServerState) {
        self.state = state
    }

    /// A whole body, at least: who sends one may not look for an answer before its end.
    private var maximumBytes: Int { max(state.served.limits.maximumBodyBytes, Self.least) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            unanswered += 1
            discarded = 0
        case .body(let buffer) where unanswered == 0:
            discarded += buffer.readableBytes
            if discarded > maximumBytes { return context.close(promise: nil) }
        default: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }
}
