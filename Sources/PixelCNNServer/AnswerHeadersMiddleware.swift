// What every answer carries, errors included: the request's identifier, the model and its precision, the date; and
// during a drain that the connection ends, so that the client sends no further request on it. It is the outermost
// middleware, so it also takes the body off answers to HEAD.

import Foundation
import HTTPTypes
import Hummingbird
import PixelCNNAPI

struct AnswerHeadersMiddleware: RouterMiddleware {
    let state: ServerState

    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        Self.add(to: &response.headers, context.served.model, requestID: context.record.requestID)
        if self.state.currentPhase == .draining { response.headers[.connection] = "close" }
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// For answers that are not a route's, too.
    static func add(to headers: inout HTTPFields, _ model: ModelDescription, requestID: String) {
        headers[.requestID] = requestID
        headers[.pixelCNNModel] = model.sha256
        headers[.pixelCNNPrecision] = model.precision
        headers[.date] = httpDate(time(nil))
    }

    /// The client's own identifier where it is short and plain enough to log and to send back, else a new one.
    static func requestID(of headers: HTTPFields) -> String {
        if let sent = headers[.requestID], 1...128 ~= sent.utf8.count,
            sent.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") })
        {
            return sent
        }
        return Self.newRequestID()
    }

    /// Sixteen hexadecimal digits.
    static func newRequestID() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
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
