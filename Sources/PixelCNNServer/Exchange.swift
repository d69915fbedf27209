// One request and its response. An exchange begins when the request's turn has come and ends exactly once, when the
// response has been written or given up; in between it owns what the request holds: the model that it is computed with
// (a reload meanwhile changes nothing for it), its memory, and the record for the log. `respond` is the whole way: the
// route, a problem in place of an error, the fields that every response has, the body at the client's pace.

import Foundation
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import PixelCNNAPI
import Synchronization

final class Exchange: Sendable {
    /// Work for a client that leaves is given up.
    let client: Client
    /// What the response is computed with.
    let served: ServedModel
    /// What the request holds until its response is written.
    let memory: RequestMemory
    /// What will be logged of the request.
    let record: RequestRecord

    private let state: ServerState
    private let log: RequestLog
    private let method: HTTPRequest.Method
    private let path: String
    private let start: ContinuousClock.Instant
    private let hasEnded = Atomic(false)

    /// Begins: counts the request, and takes the model that is served now.
    init(_ request: Request, _ client: Client, _ state: ServerState, _ log: RequestLog) {
        self.client = client
        self.state = state
        self.log = log
        served = state.beginRequest()
        memory = RequestMemory(state.memory)
        record = RequestRecord(requestID: RequestID.of(request.headers), peer: client.peer)
        method = request.method
        path = request.uri.path
        start = state.metrics.requestBegan()
    }

    /// Ends with the status that was written, or ``ServerMetrics/clientLeft``.
    private func end(status: Int) {
        precondition(!hasEnded.exchange(true, ordering: .relaxed), "an exchange ends once")
        memory.giveBack()
        state.metrics.requestEnded(path: path, status: status, since: start)
        log.log(method, path, record, status: status, since: start)
        state.endRequest(served)
    }

    /// Responds, and ends the exchange.
    ///
    /// - Throws: what leaves the connection unusable; it is closed then.
    func respond(
        to request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel, _ logger: Logger
    ) async throws {
        var status = ServerMetrics.clientLeft
        defer { end(status: status) }
        do {
            let response = try await response(to: request, logger)
            try await write(response, to: writer, channel)
            status = response.status.code
        } catch let error as HTTPParserError {
            // The body is not HTTP: the connection writes the problem.
            status = HTTPResponse.Status.badRequest.code
            throw error
        } catch let failure as SampleStream.ReportedFailure {
            status = fail(failure.error, logger)
        } catch  where !(error is CancellationError) && channel.isActive {
            // The head has gone out, with its 200; the connection is closed in the middle of the body.
            status = fail(error, logger)
            throw error
        }
    }

    /// Logs what is our own failure; the status that it counts as.
    private func fail(_ error: any Error, _ logger: Logger) -> Int {
        logger.error("Request failed", metadata: ["request": "\(record.requestID)", "error": "\(error)"])
        return HTTPResponse.Status.internalServerError.code
    }

    /// The route's response or its error's, with the fields that every response has.
    private func response(to request: Request, _ logger: Logger) async throws -> Response {
        var response: Response
        do {
            response = try await Routes.respond(to: request, self, state)
        } catch let error where error is HTTPParserError || error is CancellationError {
            // Not HTTP, or nobody is left to respond to.
            throw error
        } catch {
            let problem = ProblemResponse(for: error)
            if problem == nil { _ = fail(error, logger) }
            response = (problem ?? .internalError).response
        }
        ResponseHeaders.add(to: &response.headers, served.model, requestID: record.requestID)
        // So that the client sends no further request on the connection.
        if state.currentPhase == .draining { response.headers[.connection] = "close" }
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// Small responses in one go, others at the client's pace.
    private func write(
        _ response: Response, to writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let length = response.body.contentLength
        if let length, length <= BackpressuredWriter.pieceBytes {
            return try await writer.write(response: response.head, body: response.body)
        }
        let base = try await writer.writeHead(response.head)
        try await response.body.write(BackpressuredWriter(base, channel: channel, isLengthKnown: length != nil))
    }
}

/// Writes a body in pieces, each of which waits until its predecessor has left for the client: no more of a response
/// lies in buffers than that. The connection hangs up on who takes too little, and the write that waits then fails,
/// which also frees the images that the response waits for.
struct BackpressuredWriter: ResponseBodyWriter {
    /// What is on its way to the client at a time, besides what its socket holds.
    static let pieceBytes = 32 << 10

    private var base: any ResponseBodyWriter
    private let channel: any Channel
    /// Whether the client knows the body's end by its length.
    private let isLengthKnown: Bool

    init(_ base: any ResponseBodyWriter, channel: any Channel, isLengthKnown: Bool) {
        self.base = base
        self.channel = channel
        self.isLengthKnown = isLengthKnown
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        var rest = buffer
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.pieceBytes)), piece.readableBytes > 0 {
            try await base.write(piece)
            // The writer above takes pieces while their predecessors are on their way to the event loop. Behind them,
            // an empty one is done when they have left for the client, so that nothing is cut off by what comes after.
            try await channel.writeAndFlush(HTTPResponsePart.body(ByteBuffer()))
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        do {
            try await base.finish(trailingHeaders)
        } catch {
            // A client that leaves with the last byte it was promised has its response.
            if !isLengthKnown { throw error }
        }
    }
}

// MARK: - Header fields

/// What every response carries, errors included.
enum ResponseHeaders {
    /// Adds the request's identifier, the model and its precision, and the date; none of them is there before.
    static func add(to headers: inout HTTPFields, _ model: ModelDescription, requestID: String) {
        headers.append(HTTPField(name: .requestID, value: requestID))
        headers.append(HTTPField(name: .pixelCNNModel, value: model.sha256))
        headers.append(HTTPField(name: .pixelCNNPrecision, value: model.precision))
        headers.append(HTTPField(name: .date, value: date))
    }

    private static let lastDate = Mutex((second: time_t(0), text: ""))

    /// Now. Made once per second, not once per response: it takes a calendar and a dozen small strings.
    private static var date: String {
        let second = time(nil)
        return lastDate.withLock { last in
            if last.second != second { last = (second, httpDate(second)) }
            return last.text
        }
    }

    /// The date as HTTP writes it (RFC 9110, section 5.6.7).
    static func httpDate(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func padded(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let day = "\(days[Int(parts.tm_wday)]), \(padded(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
        let clock = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))"
        return "\(day) \(Int(parts.tm_year) + 1900) \(clock) GMT"
    }
}

/// What a request is called, in the log and in its response.
enum RequestID {
    /// The client's own identifier where it is short and plain enough to log and to send back, else a new one.
    static func of(_ headers: HTTPFields) -> String {
        if let sent = headers[.requestID], 1...128 ~= sent.utf8.count,
            sent.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") })
        {
            return sent
        }
        return make()
    }

    /// Sixteen hexadecimal digits.
    static func make() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension HTTPField.Name {
    // The initialiser fails for what is no HTTP token; these constants are.
    static let pixelCNNModel = Self(HeaderName.model)!
    static let pixelCNNPrecision = Self(HeaderName.precision)!
    static let pixelCNNSeed = Self(HeaderName.seed)!
    static let requestID = Self(HeaderName.requestID)!
}
