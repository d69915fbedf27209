// Something that listens where a pixelcnnd should and says what it is told to: the truth, with one lie. It serves a
// model of 1 × 4 × 4 pixels of 256 values, all of whose images are black.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Synchronization
import Testing

/// A response as bytes, before it is written.
struct RawResponse: Sendable {
    enum End: Sendable {
        case close
        /// Nothing more comes, and the connection stays open.
        case hold
        /// The body again and again, until the client has gone.
        case `repeat`
    }

    var start = "HTTP/1.1 200 OK"
    var fields: [(String, String)] = []
    var body: [UInt8] = []
    /// Whether the body's length is said, as it is.
    var saysLength = true
    /// Whether nothing follows the start.
    var isCutOff = false
    var end = End.close

    init(_ type: String, _ body: [UInt8]) {
        fields = [
            ("Content-Type", type), (HeaderName.model, LyingDaemon.model.sha256),
            (HeaderName.precision, LyingDaemon.model.precision),
        ]
        self.body = body
    }

    init(_ type: String, _ text: String) { self.init(type, Array(text.utf8)) }

    subscript(field: String) -> String? {
        get { fields.first { $0.0 == field }?.1 }
        set {
            fields.removeAll { $0.0 == field }
            if let newValue { fields.append((field, newValue)) }
        }
    }

    /// The beginning of a response, of which no more comes.
    static func silence(after start: String = "") -> RawResponse {
        var response = RawResponse("", "")
        (response.start, response.isCutOff, response.end) = (start, true, .hold)
        return response
    }

    fileprivate var head: [UInt8] {
        if isCutOff { return Array(start.utf8) }
        let length = saysLength ? [("Content-Length", "\(body.count)")] : []
        return Array((start + "\r\n" + (fields + length).map { "\($0): \($1)\r\n" }.joined() + "\r\n").utf8)
    }
}

/// One lie: what becomes of the response of a path.
struct Lie: Sendable, CustomTestStringConvertible {
    let name: String
    let path: String
    /// What the client's exit status may be; any that is documented where empty.
    let statuses: Set<Int32>
    let tell: @Sendable (inout RawResponse) -> Void

    init(
        _ name: String, _ path: String, _ statuses: Set<Int32> = [76],
        _ tell: @escaping @Sendable (inout RawResponse) -> Void
    ) {
        (self.name, self.path, self.statuses, self.tell) = (name, path, statuses, tell)
    }

    var testDescription: String { "\(path): \(name)" }
}

final class LyingDaemon: Sendable {
    static let model = ModelDescription(
        channels: 1, height: 4, width: 4, colors: 256, blocks: 1, filters: 1, kernelSize: 3, hidden: 1, parameters: 1,
        file: "/m.pt", bytes: 1, format: "pt", sha256: String(repeating: "5a", count: 32), instructionSet: "none",
        threads: 1, limits: RequestLimits(maximumImages: 2))
    private static let shape = SampledImages.Shape(channels: 1, height: 4, width: 4, colors: 256)

    let directory: TemporaryDirectory
    let socket: String
    private let descriptor: CInt
    private let lie: Mutex<Lie?>

    init(_ lie: Lie? = nil) throws {
        directory = try TemporaryDirectory()
        socket = directory.file("l.sock")
        self.lie = Mutex(lie)
        let listening = Foundation.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        descriptor = listening
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = socket
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(status == 0 && listen(listening, 64) == 0)
        Thread.detachNewThread { [weak self] in
            while case let connection = accept(listening, nil, nil), connection >= 0 {
                Thread.detachNewThread { [weak self] in
                    self?.serve(connection)
                    close(connection)
                }
            }
            close(listening)
        }
    }

    /// Ends `accept`.
    deinit { shutdown(descriptor, CInt(SHUT_RDWR)) }

    func tell(_ lie: Lie?) { self.lie.withLock { $0 = lie } }

    private func serve(_ connection: CInt) {
        guard let (head, body) = Self.readRequest(connection) else { return }
        let words = head.prefix { $0 != "\r\n" }.split(separator: " ")
        guard words.count > 1 else { return }
        let path = String(words[1].prefix { $0 != "?" })
        var response = truth(path, head, body)
        let lie = lie.withLock { $0 }
        if let lie, lie.path == path || lie.path == "*" { lie.tell(&response) }
        guard Self.send(connection, response.head), Self.send(connection, response.body) else { return }
        switch response.end {
        case .close: break
        case .hold: _ = Self.receive(connection)  // until the client has gone
        case .repeat: while Self.send(connection, response.body) {}
        }
    }

    private func truth(_ path: String, _ head: String, _ body: [UInt8]) -> RawResponse {
        switch path {
        case Endpoint.model: return RawResponse(MediaTypeName.json, Self.json(Self.model))
        case Endpoint.status:
            let status = StatusDescription(
                state: .ready, requestsInFlight: 0, requestsQueued: 0, imagesInFlight: 0, imagesQueued: 0,
                imagesCompleted: 1, valuesDrawn: 16, threads: 1, uptimeSeconds: 2, processIdentifier: 3)
            return RawResponse(MediaTypeName.json, Self.json(status))
        case Endpoint.samples: return samples(body, head)
        case Endpoint.score:
            let count = (try? NPYArray(parsing: body).shape[0]) ?? 0
            return head.contains("Accept: \(MediaTypeName.npy)")
                ? RawResponse(
                    MediaTypeName.npy,
                    NPYArray.encode([Float](repeating: -1, count: count * 16), shape: [count, 1, 4, 4]))
                : RawResponse(
                    MediaTypeName.json, Self.json(ScoreResponse(bitsPerDimension: Array(repeating: 1, count: count))))
        default: return RawResponse(MediaTypeName.text, "ok\n")
        }
    }

    private func samples(_ body: [UInt8], _ head: String) -> RawResponse {
        guard let request = try? SampleRequest(json: body), let seed = request.seed else {
            return RawResponse(MediaTypeName.text, "no request")
        }
        let images = Self.black(request.n)
        var response = RawResponse(MediaTypeName.npy, images.npy())
        if head.contains(MediaTypeName.npz) {
            response = RawResponse(MediaTypeName.npz, images.npz(logProb: Self.certain(request.n), logQ: []))
        } else if head.contains(MediaTypeName.eventStream) {
            response = RawResponse(
                MediaTypeName.eventStream,
                Self.event("progress", ProgressEvent(done: 0, total: request.n * 16, imagesDone: 0))
                    + (0..<request.n).flatMap { image in
                        Self.event("image", Self.event(request.firstIndex + UInt64(image), request.imageFormat))
                    } + Self.event("done", DoneEvent(n: request.n, seed: seed, firstIndex: request.firstIndex)))
        }
        response[HeaderName.seed] = "\(seed)"
        return response
    }

    private static func event(_ index: UInt64, _ format: SampleRequest.ImageFormat?) -> ImageEvent {
        let image = black(1)
        return format == .npz
            ? ImageEvent(index: index, npz: Data(image.npz(logProb: certain(1), logQ: [], isStack: false)))
            : ImageEvent(index: index, npy: Data(SampledImages.npy(image: image.values, shape: shape)))
    }

    private static func black(_ count: Int) -> SampledImages {
        SampledImages(values: [UInt16](repeating: 0, count: count * 16), shape: shape)
    }

    /// The log-probabilities of values that have no alternative.
    private static func certain(_ count: Int) -> [Float] { [Float](repeating: 0, count: count * 16) }

    private static func json(_ value: some Encodable) -> [UInt8] { (try? JSONCoding.encode(value)) ?? [] }

    static func event(_ name: String, _ value: some Encodable) -> [UInt8] {
        (try? ServerSentEvent.encode(name, value)) ?? []
    }

    // MARK: - Bytes

    private static func readRequest(_ connection: CInt) -> (head: String, body: [UInt8])? {
        var bytes: [UInt8] = []
        while true {
            if let end = bytes.firstRange(of: "\r\n\r\n".utf8) {
                let head = String(decoding: bytes[..<end.upperBound], as: UTF8.self)
                let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length: ") }
                let length = line.flatMap { Int($0.dropFirst(16)) } ?? 0
                if bytes.count - end.upperBound >= length { return (head, Array(bytes[end.upperBound...])) }
            }
            let piece = receive(connection)
            if piece.isEmpty { return nil }
            bytes += piece
        }
    }

    private static func receive(_ connection: CInt) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(connection, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : []
    }

    private static func send(_ connection: CInt, _ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Foundation.send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
