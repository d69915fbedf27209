// Answers `Expect: 100-continue`, which curl sends with bodies past 1 MiB and then waits a second for. Bodies announced
// too long get no invitation: their final answer is 413.

import HTTPTypes
import NIOCore
import NIOHTTPTypes

final class ContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let state: ServerState
    /// Requests whose answer is not finished. An interim answer in the middle of another answer would corrupt it.
    private var unanswered = 0

    init(state: ServerState) {
        self.state = state
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) {
            let length = head.headerFields[.contentLength].flatMap { Int($0) } ?? 0
            if unanswered == 0, head.headerFields[.expect]?.lowercased() == "100-continue",
                length <= state.served.limits.maximumBodyBytes
            {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            unanswered += 1
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }
}
