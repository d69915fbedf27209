// Reading a request's body, bounded: a length that is announced too long is refused before a byte is read, one that
// turns out too long when the bound is reached; and so is one that there is no memory for.

import HTTPTypes
import Hummingbird
import NIOCore
import PixelCNNAPI

extension Request {
    /// The whole body.
    ///
    /// - Throws: 413 past `limit` bytes; 429 where `memory` has no room.
    func wholeBody(limit: Int, memory: RequestMemory) async throws -> [UInt8] {
        let limit = min(limit, memory.limit / MemoryNeed.body(1))
        // The rest of the body would have to be read to find the next request behind it.
        let refusal = ProblemAnswer(
            .contentTooLarge, "the body is too large; allowed are \(limit) bytes", headers: [.connection: "close"])
        let announced = self.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard announced <= limit else { throw refusal }
        try memory.hold(MemoryNeed.body(announced))
        var bytes: [UInt8] = []
        for try await piece in self.body {
            let count = bytes.count + piece.readableBytes
            guard count <= limit else { throw refusal }
            if count > announced { try memory.hold(MemoryNeed.body(count)) }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }

    /// Refuses what this version does not act on, rather than answering something else than was asked.
    func refuseQuery() throws {
        guard let parameter = self.uri.queryParameters.first else { return }
        if parameter.key == "label" { throw RequestError.unsupportedField("label") }
        throw ProblemAnswer(
            .badRequest, "unknown query parameter \"\(parameter.key)\"; there are none", field: "\(parameter.key)")
    }
}
