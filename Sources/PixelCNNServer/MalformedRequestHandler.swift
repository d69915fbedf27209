// The answer to what the HTTP parser refuses. Hummingbird sends a bare 400 for it; this puts a problem in its place,
// and 431 where the header fields are too large, and closes the connection, for its next byte has no meaning.

import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import PixelCNNAPI

final class MalformedRequestHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// The most bytes of one header field and of all, and the most fields, of a request.
    static let limits = (fieldBytes: 16 << 10, allBytes: 64 << 10, fields: 128)

    private let state: ServerState
    private var parserError: HTTPParserError?

    init(state: ServerState) {
        self.state = state
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? HTTPParserError { parserError = error }
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // Answers to requests before the malformed one may still come through here; none of them is an empty 400.
        guard let parserError, case .head(let head) = unwrapOutboundIn(data), head.status == .badRequest,
            head.headerFields[.contentLength] == "0"
        else { return context.write(data, promise: promise) }
        let answer = Self.answer(to: parserError)
        var response = answer.response
        response.headers[.connection] = "close"
        AnswerHeadersMiddleware.add(
            to: &response.headers, state.served.model, requestID: AnswerHeadersMiddleware.newRequestID())
        context.write(wrapOutboundOut(.head(response.head)), promise: promise)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: answer.body))), promise: nil)
        context.channel.closeAfterLastAnswer()
    }

    private static func answer(to error: HTTPParserError) -> ProblemAnswer {
        guard case .headerOverflow = error else {
            return ProblemAnswer(.badRequest, "the request is not HTTP/1.1: \(error)")
        }
        return ProblemAnswer(
            .requestHeaderFieldsTooLarge,
            "the request's head is too large; allowed are \(Self.limits.allBytes) bytes in \(Self.limits.fields) fields"
                + " of at most \(Self.limits.fieldBytes) bytes")
    }
}
