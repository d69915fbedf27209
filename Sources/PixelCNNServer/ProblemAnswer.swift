// Problems as answers. A route throws one; ProblemMiddleware turns it, and every other error, into a response.

import HTTPTypes
import Hummingbird
import NIOCore
import PixelCNNAPI

/// An error that knows its answer.
struct ProblemAnswer: Error {
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

    init(_ error: RequestError) {
        self.init(.init(code: error.status), error.description, field: error.field)
    }

    /// A refusal that is worth repeating after a while.
    static func busy(_ status: HTTPResponse.Status, _ detail: String, retryAfterSeconds: Int) -> ProblemAnswer {
        .init(status, detail, headers: [.retryAfter: "\(max(1, retryAfterSeconds))"])
    }

    var response: Response {
        let problem = Problem(
            status: self.status.code, title: self.status.reasonPhrase, detail: self.detail, field: self.field)
        // A Problem holds strings and one small integer: encoding cannot fail, but its signature throws.
        let body = (try? JSONCoding.encode(problem)) ?? Array("{}".utf8)
        return Response(status: self.status, headers: self.headers, bytes: body, type: MediaTypeName.problem)
    }
}

extension Response {
    /// A response with a whole body.
    init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], bytes: [UInt8], type: String) {
        self.init(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
        self.headers[.contentType] = type
    }
}

extension HTTPField.Name {
    // The initialiser fails for what is no HTTP token; these constants are.
    static let pixelCNNModel = Self(HeaderName.model)!
    static let pixelCNNSeed = Self(HeaderName.seed)!
    static let requestID = Self(HeaderName.requestID)!
}
