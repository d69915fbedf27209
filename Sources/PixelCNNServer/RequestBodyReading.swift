// Reading a request's body, bounded: a length that is announced too long is refused before a byte is read, one that
// turns out too long when the bound is reached. Memory is at most twice the bound while the pieces are joined.

import HTTPTypes
import Hummingbird
import NIOCore
import PixelCNNAPI

extension Request {
    /// The whole body.
    ///
    /// - Throws: 413 past `limit` bytes.
    func wholeBody(limit: Int) async throws -> [UInt8] {
        // The rest of the body would have to be read to find the next request behind it.
        let refusal = ProblemAnswer(
            .contentTooLarge, "the body is too large; allowed are \(limit) bytes", headers: [.connection: "close"])
        if let text = self.headers[.contentLength], let length = Int(text), length > limit { throw refusal }
        do {
            return Array(buffer: try await self.body.collect(upTo: limit))
        } catch is NIOTooManyBytesError {
            throw refusal
        }
    }

    /// Refuses what this version does not act on, rather than answering something else than was asked.
    func refuseQuery() throws {
        guard let parameter = self.uri.queryParameters.first else { return }
        if parameter.key == "label" { throw RequestError.unsupportedField("label") }
        throw ProblemAnswer(
            .badRequest, "unknown query parameter \"\(parameter.key)\"; there are none", field: "\(parameter.key)")
    }
}
