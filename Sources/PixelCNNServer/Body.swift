// Reads a request's body, bounded: a length that is announced too long is refused before a byte is read, one that turns
// out too long when the bound is reached; and so is one that there is no memory for. And the query, which is all that a
// request may say besides.

import HTTPTypes
import HummingbirdCore
import NIOCore
import PixelCNNAPI

extension Request {
    /// The whole body.
    ///
    /// - Throws: 415 for a compressed one, 413 past `limit` bytes; 429 where `memory` has no room.
    func wholeBody(limit: Int, memory: RequestMemory) async throws -> [UInt8] {
        if let coding = headers[.contentEncoding], coding.lowercased() != "identity" {
            throw ProblemResponse(
                .unsupportedMediaType, "Content-Encoding is \(coding.prefix(100)); send the body as it is",
                headers: [.acceptEncoding: "identity"])
        }
        let limit = min(limit, memory.limit / MemoryNeed.body(1))
        // The rest of the body would have to be read to find the next request behind it.
        let rejection = ProblemResponse(
            .contentTooLarge, "the body is too large; allowed are \(limit) bytes", headers: [.connection: "close"])
        let announced = headers[.contentLength].map(Connection.length) ?? 0
        guard announced <= limit else { throw rejection }
        var bytes: [UInt8] = []
        var held = 0
        for try await piece in body {
            let count = bytes.count + piece.readableBytes
            guard count <= limit else { throw rejection }
            if count > held {
                // What has come counts, not what is announced: whoever sends nothing must not keep others out.
                held = max(count, min(2 * held, announced))
                try memory.hold(MemoryNeed.body(held))
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }

    /// The query's one parameter that there is, where it is given.
    ///
    /// - Throws: 400 for any other, and where it is given twice.
    func onlyParameter(_ name: String) throws -> String? {
        let parameters = uri.queryParameters
        if let other = parameters.first(where: { $0.key != name }) {
            throw ProblemResponse(
                .badRequest, "unknown query parameter \"\(other.key)\"; known is \(name)", field: "\(other.key)")
        }
        guard parameters.count < 2 else {
            throw ProblemResponse(.badRequest, "the query parameter \(name) is given twice", field: name)
        }
        return parameters.first.map { String($0.value) }
    }

    /// Refuses what this version does not act on, rather than responding to something else.
    func refuseQuery() throws {
        guard let parameter = uri.queryParameters.first else { return }
        throw ProblemResponse(
            .badRequest, "unknown query parameter \"\(parameter.key)\"; there are none", field: "\(parameter.key)")
    }
}
