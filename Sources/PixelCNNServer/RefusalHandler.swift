// Refuses requests for images at their head while the queue is full, before the router, its tasks and the body: a flood
// then costs a fraction of what its answers would cost behind them, and its refusals come at once. What passes may
// still be refused by the queue itself.

import HTTPTypes
import NIOCore
import NIOHTTPTypes
import PixelCNNAPI

final class RefusalHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let refusals: Refusals
    private let pass: QueuePass
    private let peer: PeerCredentials?
    /// Whether the request that comes is for images.
    private var isForImages = false
    /// Requests that were let through and have no answer yet: theirs come first.
    private var unanswered = 0
    /// Whether what comes is the rest of a request that is refused.
    private var isDiscarding = false

    init(_ refusals: Refusals, _ pass: QueuePass, _ peer: PeerCredentials?) {
        (self.refusals, self.pass, self.peer) = (refusals, pass, peer)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if unanswered == 0, let (response, body) = refusals.refusal(of: head, by: peer) {
                isDiscarding = true
                context.write(wrapOutboundOut(.head(response)), promise: nil)
                context.write(wrapOutboundOut(.body(body)), promise: nil)
                return context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
            unanswered += 1
            isForImages = Refusals.concerns(head)
        case .body where isDiscarding: return
        case .end where isDiscarding:
            isDiscarding = false
            return
        case .end where isForImages && unanswered == 1: pass.take()
        case .body, .end: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            unanswered -= 1
            pass.giveBack()
        }
        context.write(data, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        pass.giveBack()
        context.fireChannelInactive()
    }
}
