// Errors as responses (RFC 9457): a route throws one of these, or an error that has one, and Exchange writes it.

import HTTPTypes
import HummingbirdCore
import NIOCore
import PixelCNNAPI
import PixelCNNScheduler

/// An error that knows its response.
struct ProblemResponse: Error {
    let status: HTTPResponse.Status
    let detail: String
    let field: String?
    let headers: HTTPFields

    init(_ status: HTTPResponse.Status, _ detail: String, field: String? = nil, headers: HTTPFields = [:]) {
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = headers
    }

    /// A rejection that is worth repeating after a while.
    static func busy(_ status: HTTPResponse.Status, _ detail: String, retryAfterSeconds: Int) -> ProblemResponse {
        .init(status, detail, headers: [.retryAfter: "\(max(1, retryAfterSeconds))"])
    }

    var problem: Problem {
        Problem(status: status.code, title: status.reasonPhrase, detail: detail, field: field)
    }

    /// A Problem holds strings and one small integer: encoding cannot fail, but its signature throws.
    var body: [UInt8] { (try? JSONCoding.encode(problem)) ?? Array("{}".utf8) }

    var response: Response {
        Response(status: status, headers: headers, bytes: body, type: MediaTypeName.problem)
    }
}

extension ProblemResponse {
    /// The response to an error, nil where it is not the client's to know.
    init?(for error: any Error) {
        switch error {
        case let problem as ProblemResponse: self = problem
        case let error as RequestError: self.init(error)
        case let error as SchedulerError: self.init(error)
        default: return nil
        }
    }

    init(_ error: RequestError) {
        // A status made from its number has no words, which are the problem's title.
        self.init(error.status == 400 ? .badRequest : .unprocessableContent, error.description, field: error.field)
    }

    init(_ error: SchedulerError) {
        switch error {
        case .queueFull(let seconds):
            self = .busy(
                .tooManyRequests, "the queue is full; try again in \(max(1, seconds)) s", retryAfterSeconds: seconds)
        case .stopped: self = .busy(.serviceUnavailable, "the daemon is shutting down", retryAfterSeconds: 1)
        case .deadlineExceeded:
            self.init(.gatewayTimeout, "the request did not end before its deadline", field: "deadline_ms")
        }
    }

    /// What the HTTP parser has refused.
    init(_ malformation: ConnectionState.Malformation) {
        switch malformation {
        case .notHTTP(let error): self.init(.badRequest, "the request is not HTTP/1.1: \(error)")
        case .tooMuchOverhead:
            self.init(
                .badRequest,
                "the body's chunks have too many bytes besides data; allowed are \(ChunkOverhead.bytes), and "
                    + "\(ChunkOverhead.bytesPerByte) per byte of data")
        case .headTooLarge:
            self.init(
                .requestHeaderFieldsTooLarge,
                "the request's head is too large; allowed are \(HeadLimits.allBytes) bytes in \(HeadLimits.fields) "
                    + "fields of at most \(HeadLimits.fieldBytes) bytes")
        }
    }

    /// The response to an error that is our own.
    static let internalError = ProblemResponse(
        .internalServerError, "an internal error; the daemon's log has the details")
}

extension Response {
    /// A response with a whole body.
    init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], bytes: [UInt8], type: String) {
        self.init(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
        self.headers[.contentType] = type
    }
}
