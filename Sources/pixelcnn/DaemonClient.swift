// Finds a daemon that listens, sends it requests, waits while it is busy, and turns its refusals into failures with the
// right exit code. The exchange itself is HTTP/1.1 over a Unix connection, on SwiftNIO alone: a program that sends few
// requests needs no pool and no keep-alive. A response is collected whole, up to a bound, or handed on piece by piece.

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import PixelCNNAPI
import Support

struct DaemonClient: Sendable {
    let candidates: [SocketPath]
    /// What would be a candidate and cannot be one, in words.
    var unusable: String?
    /// How long a daemon may say nothing.
    var silence = WaitLimits.defaultSilence
    /// How long a daemon that is not there is waited for: it may be starting, and listens only when it is ready.
    var startWait = Duration.zero

    /// How often a request is sent: a daemon that crashes or is restarted loses what it was computing, and every
    /// request may be repeated. Under systemd the next connection waits for the next daemon.
    private static let attempts = 3

    /// A request. The body is made for each attempt: a deadline that is part of it comes nearer.
    struct Request {
        var method = HTTPMethod.GET
        var path: String
        var accept: String
        var contentType: String?
        var body: () throws -> [UInt8] = { [] }
        /// When all of the response must have come.
        var end: ContinuousClock.Instant?
        /// The most bytes of a response that is collected.
        var maximumBytes = HTTPResponse.maximumJSONBytes
        /// Throws where the head of a response, also of a refusal, is not what it must be.
        var check: (HTTPResponseHead) throws(Failure) -> Void = { _ in }

        fileprivate var headers: [(String, String)] {
            var headers = [("Accept", accept), ("User-Agent", "pixelcnn/\(Version.current)")]
            if let contentType { headers.append(("Content-Type", contentType)) }
            return headers
        }
    }

    /// Sends a request to the first daemon that accepts a connection; again where the connection is lost, and while the
    /// daemon is busy, as the retry policy has it.
    ///
    /// - Parameters:
    ///   - report: gets a line for a person where the response is late.
    ///   - makeConsumer: makes, for each attempt, what takes the body of a successful response as it comes; a
    ///     ``Problem`` that it throws counts as the response.
    /// - Throws: ``Failure``: unreachable, or silent (69), refused (64), busy (75), no pixelcnnd (76);
    ///   `CancellationError`.
    func send(
        _ request: Request, retries: RetryPolicy = .none, report: (String) -> Void = say,
        makeConsumer: (() -> HTTPExchange.Consumer)? = nil
    ) async throws -> HTTPResponse {
        var lost = 0
        var retries = RetryPolicy.Retries(retries)
        while true {
            let body = try request.body()  // before a connection is made, which must not be dropped unused
            let exchange = try await connect(until: request.end, report)
            do {
                let response = try await exchange.send(request, body: body, silence: silence, consume: makeConsumer?())
                if response.isSuccess { return response }
                try await wait(for: response, &retries, report)
            } catch let problem as Problem {
                let response = HTTPResponse(status: problem.status, headers: [:], body: try JSONCoding.encode(problem))
                try await wait(for: response, &retries, report)
            } catch let failure as Failure {
                throw failure
            } catch let error as HTTPParserError where error != .invalidEOFState {
                throw Failure.unknownProtocol("it is not HTTP (\(error))")
            } catch {
                // A task that is cancelled ends its connection, which is not the daemon's doing.
                try Task.checkCancellation()
                lost += 1
                let message = "the daemon closed the connection before it had responded"
                guard lost < Self.attempts else {
                    throw Failure(.unavailable, "\(message), \(lost) times; its log says why")
                }
                report("\(message); trying again")
            }
        }
    }

    /// What the daemon serves.
    func describeModel(
        retries: RetryPolicy, until end: ContinuousClock.Instant? = nil, report: (String) -> Void = say
    ) async throws -> ModelDescription {
        let request = Request(path: Endpoint.model, accept: MediaTypeName.json, end: end)
        return try await send(request, retries: retries, report: report).decoded(as: ModelDescription.self).bounded
    }

    /// Waits where the daemon is busy, and throws where it refuses or the retries are at their end.
    private func wait(
        for response: HTTPResponse, _ retries: inout RetryPolicy.Retries, _ report: (String) -> Void
    ) async throws {
        guard [429, 503].contains(response.status) else { throw Self.failure(for: response) }
        let seconds = response.headers.first(name: "Retry-After").flatMap { Double($0) } ?? 1
        guard let pause = retries.pause(atLeast: seconds) else { throw Self.failure(for: response) }
        let rounded = Int((pause / .seconds(1)).rounded(.up))
        report("busy, trying again in \(rounded) s")
        try await Task.sleep(for: pause)
    }

    /// Connects to the first daemon that accepts; waits for one where there is none.
    private func connect(
        until end: ContinuousClock.Instant?, _ report: (String) -> Void
    ) async throws -> HTTPExchange {
        let startEnd = ContinuousClock.now + startWait
        let end = min(end ?? startEnd, startEnd)
        var isTold = false
        while true {
            switch try await tryToConnect({ try await HTTPExchange(connectingTo: $0) }) {
            case .connected(let exchange): return exchange
            case .absent(let absence):
                guard absence.mayBeStarting, .now < end else { throw absence.failure }
                if !isTold {
                    let seconds = startWait / .seconds(1)
                    let words = Int(exactly: seconds).map { "\($0)" } ?? "\(seconds)"
                    report("\(absence.places); waiting up to \(words) s, as it may be starting")
                    isTold = true
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Why no daemon is reached.
    private struct Absence {
        let places: String
        /// Whether there is nobody yet; else somebody is there, and does not let us in.
        var mayBeStarting = false
        var isForbidden = false

        var failure: Failure {
            let advice =
                isForbidden
                ? "join the group that owns the socket, usually pixelcnn, and log in again"
                : "start pixelcnnd, or name its socket with --socket"
            return Failure(.unavailable, "\(places); \(advice)")
        }
    }

    private enum Attempt<Connection> {
        case connected(Connection)
        case absent(Absence)
    }

    /// A socket that is connected to the first daemon that accepts a connection.
    ///
    /// - Throws: ``Failure`` (69) where there is none.
    func connectedSocket() async throws -> CInt {
        switch try await tryToConnect({ try await $0.connectedSocket() }) {
        case .connected(let descriptor): return descriptor
        case .absent(let absence): throw absence.failure
        }
    }

    private func tryToConnect<Connection>(
        _ connect: (SocketPath) async throws -> Connection
    ) async throws -> Attempt<Connection> {
        var reasons: [String] = []
        var codes: [CInt] = []
        for path in candidates {
            do {
                return .connected(try await connect(path))
            } catch let error as IOError {
                codes.append(error.errnoCode)
                reasons.append("\(path) (\(String(cString: strerror(error.errnoCode))))")
            } catch {
                try Task.checkCancellation()
                reasons.append("\(path) (\(error))")
            }
        }
        if let unusable { reasons.append(unusable) }
        return .absent(
            Absence(
                places: "no daemon at \(reasons.joined(separator: " or "))",
                mayBeStarting: codes.contains { $0 == ENOENT || $0 == ECONNREFUSED },
                isForbidden: codes.contains(EACCES)))
    }

    private static func failure(for response: HTTPResponse) -> Failure {
        let status = SystemExit(httpStatus: response.status)
        guard let problem = Problem(response) else {
            return Failure(
                status, "the daemon responded with status \(response.status) and no reason; its log says more")
        }
        return Failure(status, problem.detail.shortened(to: 2000))
    }
}

extension ModelDescription {
    /// Refuses the response of another model than this, or another precision; a refusal may come from no model.
    func checkOrigin(_ head: HTTPResponseHead) throws(Failure) {
        let model = head.headers.first(name: HeaderName.model)
        let precision = head.headers.first(name: HeaderName.precision)
        if model == nil, !(200..<300 ~= head.status.code) { return }
        guard model == sha256, precision == self.precision else {
            throw Failure(.temporaryFailure, "the daemon has changed its model or precision meanwhile; try again")
        }
    }
}

extension SocketPath {
    /// A full backlog (EAGAIN) empties as fast as the daemon accepts: 50 tries, 20 ms apart, are enough.
    private static let connectAttempts = 50

    /// A socket that is connected, and does not block. NIO itself takes no path of more than 103 bytes; the kernel, and
    /// the daemon, take 107.
    ///
    /// - Throws: `IOError` where nobody listens.
    fileprivate func connectedSocket() async throws -> CInt {
        var attempt = 1
        while true {
            do {
                return try connect()
            } catch let error as IOError where error.errnoCode == EAGAIN && attempt < Self.connectAttempts {
                attempt += 1
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// A Unix socket connects at once, or not at all.
    private func connect() throws -> CInt {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        let code = withAddress { Foundation.connect(descriptor, $0, $1) == 0 ? 0 : errno }
        guard code == 0 else {
            close(descriptor)
            throw IOError(errnoCode: code, reason: "connect")
        }
        return descriptor
    }
}

// MARK: - HTTP

struct HTTPResponse: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8]

    var isSuccess: Bool { 200..<300 ~= status }
}

struct HTTPExchange: Sendable {
    /// The most bytes of a response; larger jobs are split. A bound keeps a broken peer from filling the memory.
    static let maximumResponseBytes = 1 << 30

    /// The connection has closed before the response had come.
    struct ClosedEarly: Error {}

    /// Takes a piece of a successful response's body.
    typealias Consumer = (ByteBuffer) throws -> Void
    typealias Connection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

    private let connection: Connection
    private let path: SocketPath

    /// Connects.
    ///
    /// - Throws: `IOError` where nobody listens.
    init(connectingTo path: SocketPath) async throws {
        self.path = path
        let descriptor = try await path.connectedSocket()
        connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .withConnectedSocket(descriptor) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
    }

    /// Sends a request and returns its response; the connection is closed after it.
    ///
    /// - Parameter consume: gets the body of a successful response as it comes, which the response then lacks.
    func send(
        _ request: DaemonClient.Request, body: [UInt8], silence: Duration, consume: Consumer? = nil
    ) async throws -> HTTPResponse {
        var fields = HTTPHeaders([("Host", "localhost")] + request.headers)
        if request.method == .POST { fields.add(name: "Content-Length", value: "\(body.count)") }
        let head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: fields)
        var parts: [HTTPClientRequestPart] = [.head(head)]
        if !body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
        parts.append(.end(nil))
        let watch = ResponseWatch(WaitLimits(silence: silence, end: request.end, isJob: request.method == .POST))
        let task = Task { [channel = connection.channel, path] in
            await watch.run(closing: channel) { await Self.isHealthy(path, within: silence) }
        }
        defer { task.cancel() }
        do {
            return try await connection.executeThenClose { [parts] inbound, outbound in
                // A daemon may refuse before it has read everything, and close; its response is still there to be read.
                do {
                    try await outbound.write(contentsOf: parts)
                } catch let writeError {
                    do { return try await Self.collect(inbound, request, watch, consume) } catch { throw writeError }
                }
                return try await Self.collect(inbound, request, watch, consume)
            }
        } catch {
            throw watch.failure ?? error
        }
    }

    private static func collect(
        _ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, _ request: DaemonClient.Request,
        _ watch: ResponseWatch, _ consume: Consumer?
    ) async throws -> HTTPResponse {
        var response: HTTPResponse?
        for try await part in parts {
            switch part {
            case .head(let head):
                watch.headHasCome(isStream: consume != nil)
                if 200..<300 ~= head.status.code { try head.checkType(request.accept) }
                try request.check(head)
                response = HTTPResponse(status: Int(head.status.code), headers: head.headers, body: [])
            case .body(let buffer):
                watch.hasCome(bytes: buffer.readableBytes)
                if let consume, response?.isSuccess == true {
                    try consume(buffer)
                    continue
                }
                guard (response?.body.count ?? 0) + buffer.readableBytes <= request.maximumBytes else {
                    throw Failure.unknownProtocol("it has more than \(request.maximumBytes) bytes")
                }
                response?.body.append(contentsOf: buffer.readableBytesView)
            case .end:
                if let response { return response }
            }
        }
        throw ClosedEarly()
    }

    /// Whether whoever listens responds to anything.
    private static func isHealthy(_ path: SocketPath, within silence: Duration) async -> Bool {
        let request = DaemonClient.Request(path: Endpoint.health, accept: MediaTypeName.text)
        do {
            _ = try await HTTPExchange(connectingTo: path)
                .send(request, body: [], silence: min(silence, WaitLimits.healthCheck))
            return true
        } catch {
            return false
        }
    }
}
