// One HTTP/1.1 request over one Unix connection, on SwiftNIO alone. A program that asks once needs no pool and no
// keep-alive; the answer is collected whole, up to a bound, or handed on piece by piece.

import NIOCore
import NIOHTTP1
import NIOPosix
import PixelCNNAPI

struct HTTPAnswer: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8]

    var isSuccess: Bool { 200..<300 ~= self.status }
}

struct HTTPExchange: Sendable {
    /// No answer of the protocol comes near; a bound keeps a broken peer from filling the memory.
    static let maximumAnswerBytes = 1 << 30
    /// A full backlog (EAGAIN) empties as fast as the daemon accepts: 50 tries, 20 ms apart, are patience enough.
    static let connectAttempts = 50

    enum Failure: Error {
        case closedEarly
        case answerTooLarge
    }

    /// Takes a piece of a successful answer's body.
    typealias Consumer = (ByteBuffer) throws -> Void
    typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private let connection: Connection

    /// Connects.
    ///
    /// - Throws: `IOError` where nobody listens.
    init(connectingTo path: SocketPath) async throws {
        var attempt = 1
        while true {
            do {
                self.connection = try await Self.connect(path)
                return
            } catch let error as IOError where error.errnoCode == EAGAIN && attempt < Self.connectAttempts {
                attempt += 1
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private static func connect(_ path: SocketPath) async throws -> Connection {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(unixDomainSocketPath: path.path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
    }

    /// Sends a request and returns its answer; the connection is closed after it.
    ///
    /// - Parameters:
    ///   - check: gets the head of the answer before anything of its body is taken.
    ///   - consume: gets the body of a successful answer as it comes, which the answer then lacks.
    func send(
        _ method: HTTPMethod, _ path: String, headers: [(String, String)], body: [UInt8] = [],
        check: (HTTPResponseHead) throws -> Void = { _ in }, consume: Consumer? = nil
    ) async throws -> HTTPAnswer {
        var fields = HTTPHeaders([("Host", "localhost")] + headers)
        if method == .POST { fields.add(name: "Content-Length", value: "\(body.count)") }
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: fields)
        var parts: [HTTPClientRequestPart] = [.head(head)]
        if !body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
        parts.append(.end(nil))
        return try await connection.executeThenClose { [parts] inbound, outbound in
            // A daemon may refuse before it has read everything, and close; its answer is still there to be read.
            do {
                try await outbound.write(contentsOf: parts)
            } catch let writeError {
                do { return try await Self.collect(inbound, check, consume) } catch { throw writeError }
            }
            return try await Self.collect(inbound, check, consume)
        }
    }

    private static func collect(
        _ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, _ check: (HTTPResponseHead) throws -> Void,
        _ consume: Consumer?
    ) async throws -> HTTPAnswer {
        var answer: HTTPAnswer?
        for try await part in parts {
            switch part {
            case .head(let head):
                try check(head)
                answer = HTTPAnswer(status: Int(head.status.code), headers: head.headers, body: [])
            case .body(let buffer):
                if let consume, answer?.isSuccess == true {
                    try consume(buffer)
                    continue
                }
                guard (answer?.body.count ?? 0) + buffer.readableBytes <= Self.maximumAnswerBytes else {
                    throw Failure.answerTooLarge
                }
                answer?.body.append(contentsOf: buffer.readableBytesView)
            case .end:
                if let answer { return answer }
            }
        }
        throw Failure.closedEarly
    }
}
