// What hostile or broken clients send, to a real daemon: it responds or closes the connection, serves everybody else
// meanwhile, and has nothing left of it afterwards.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

/// Bytes that are no request, or none that can be granted, and what the response may be.
struct Nonsense: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    /// Statuses, each as good as another; 0 for a connection that is closed without a response.
    let statuses: Set<Int>

    init(_ name: String, _ bytes: [UInt8], _ statuses: Int...) {
        (self.name, self.bytes, self.statuses) = (name, bytes, Set(statuses))
    }

    init(_ name: String, _ text: String, _ statuses: Int...) {
        (self.name, bytes, self.statuses) = (name, Array(text.utf8), Set(statuses))
    }

    var testDescription: String { name }

    private static let post = "POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    private static let chunked = post + "Transfer-Encoding: chunked\r\n\r\n"

    static let all = [
        Nonsense("HTTP/0.9", "GET /healthz\r\n\r\n", 400, 505, 0),
        Nonsense("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505),
        Nonsense("HTTP/3.7", "GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n", 400, 505),
        Nonsense("no method", " / HTTP/1.1\r\n\r\n", 400),
        Nonsense("unknown method", "BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, 405),
        Nonsense("TLS ClientHello", [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3] + (0..<512).map { UInt8($0 % 251) }, 400),
        Nonsense("zero bytes", [UInt8](repeating: 0, count: 4096), 400),
        Nonsense("0xFF bytes", [UInt8](repeating: 0xFF, count: 4096), 400),
        Nonsense("a zero byte in the path", "GET /heal\0thz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        Nonsense("a zero byte in a field's name", "GET /healthz HTTP/1.1\r\nHo\0st: x\r\n\r\n", 400),
        Nonsense("a zero byte in a field's value", "GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
        Nonsense("a field without a colon", "GET /healthz HTTP/1.1\r\nHost\r\n\r\n", 400),
        Nonsense("a path of 9 KB", "GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        Nonsense("a path of 200 KB", "GET /\(String(repeating: "a", count: 200_000)) HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        Nonsense(
            "a field of 200 KB", "GET / HTTP/1.1\r\nHost: x\r\nA: \(String(repeating: "a", count: 200_000))\r\n\r\n",
            431),
        Nonsense(
            "ten thousand fields",
            "GET / HTTP/1.1\r\nHost: x\r\n" + (0..<10_000).map { "A\($0): b\r\n" }.joined() + "\r\n", 431),
        Nonsense("a chunk size of letters", chunked + "zz\r\n{}\r\n0\r\n\r\n", 400),
        Nonsense("a negative chunk size", chunked + "-2\r\n{}\r\n0\r\n\r\n", 400),
        Nonsense("a chunk size of 2⁶⁸", chunked + "100000000000000000\r\n{}\r\n0\r\n\r\n", 400),
        Nonsense("a chunk longer than its size", chunked + "1\r\n{}\r\n0\r\n\r\n", 400),
        Nonsense(
            "a chunk extension of 1 MB", chunked + "2;\(String(repeating: "e", count: 1 << 20))\r\n{}\r\n0\r\n\r\n",
            400),
        Nonsense("a body that stops half way", post + "Content-Length: 100\r\n\r\n{", 400, 0),
        Nonsense("two lengths", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
        Nonsense("length and chunks", post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
        Nonsense("a negative length", post + "Content-Length: -2\r\n\r\n{}", 400),
        Nonsense("a length with a sign", post + "Content-Length: +2\r\n\r\n{}", 400),
        Nonsense("a length of 2⁶⁴", post + "Content-Length: 18446744073709551616\r\n\r\n{}", 400, 413),
        Nonsense("a length of 2⁶³", post + "Content-Length: 9223372036854775808\r\n\r\n{}", 400, 413),
        Nonsense("a length of 10¹⁸", post + "Content-Length: 1000000000000000000\r\n\r\n{}", 413),
        Nonsense("an unknown transfer coding", post + "Transfer-Encoding: gzip\r\n\r\n{}", 400, 501),
        Nonsense(
            "JSON nested deep", post + "Content-Length: 60000\r\n\r\n" + String(repeating: "[", count: 60_000), 400),
    ]
}

@Suite(.timeLimit(.minutes(30))) struct AbuseTests {
    private static let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    /// The status of a response; 0 where there is none.
    private static func status(of response: String) -> Int {
        response.hasPrefix("HTTP/1.1 ") ? Int(response.dropFirst(9).prefix(3)) ?? 0 : 0
    }

    @Test func nonsenseIsRefusedOrHungUpOn() async throws {
        try await RunningDaemon.run { daemon in
            for nonsense in Nonsense.all {
                let response = try await ByteStream.exchange(daemon.socket, nonsense.bytes)
                let status = Self.status(of: response)
                #expect(nonsense.statuses.contains(status), "\(nonsense.name): \(response.prefix(400))")
                guard status != 0 else { continue }
                // Errors are problems, however early they are found.
                let head = response.prefix { $0 != "{" }.lowercased()
                #expect(head.contains("content-type: application/problem+json"), "\(nonsense.name): \(head)")
                #expect(head.contains("x-request-id: "), "\(nonsense.name): \(head)")
                #expect(head.contains("pixelcnn-model: "), "\(nonsense.name): \(head)")
            }
            #expect(try await Curl.send(Endpoint.health, socket: daemon.socket).status == 200)
        }
    }

    /// All nonsense at once, each kind `rounds` times.
    private static func abuse(_ socket: String, rounds: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for nonsense in Nonsense.all {
                group.addTask {
                    for _ in 0..<rounds { _ = try await ByteStream.exchange(socket, nonsense.bytes) }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func abuseLeavesNothingBehind() async throws {
        try await RunningDaemon.run { daemon in
            let idle = daemon.process.descriptors
            // What is made once (threads, buffers kept for reuse) is made by the first rounds.
            try await Self.abuse(daemon.socket, rounds: 10)
            #expect(await eventually { daemon.process.descriptors <= idle + 8 }, "\(daemon.process), idle \(idle)")
            let before = daemon.process
            try await Self.abuse(daemon.socket, rounds: 40)
            #expect(
                await eventually { daemon.process.descriptors <= before.descriptors },
                "\(daemon.process), before \(before)")
            #expect(daemon.process.threads <= before.threads + 1, "\(daemon.process), before \(before)")
            #expect(
                daemon.process.residentBytes < before.residentBytes + 16 << 20, "\(daemon.process), before \(before)")
            #expect(try await Curl.send(Endpoint.health, socket: daemon.socket).status == 200)
        }
    }

    /// Whether it is still awaited, or was refused before it came.
    @Test(arguments: [Endpoint.samples, "/nowhere"]) func bodiesThatTrickleAreHungUpOn(_ path: String) async throws {
        try await RunningDaemon.run(["--client-timeout", "1"]) { daemon in
            let socket = daemon.socket
            let error = try await ByteStream.blocking {
                let stream = try ByteStream(socket)
                stream.send("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
                var left = 6000
                while left > 0, stream.send(" ") {
                    Thread.sleep(forTimeInterval: 0.1)
                    left -= 1
                }
                return stream.sendError
            }
            #expect([EPIPE, ECONNRESET].contains(error))
        }
    }

    @Test func whoAsksAndAsksAndReadsNothingIsHungUpOn() async throws {
        try await RunningDaemon.run(["--client-timeout", "1"]) { daemon in
            let socket = daemon.socket
            let error = try await ByteStream.blocking {
                let stream = try ByteStream(socket)
                var left = 100_000
                while left > 0, stream.send(Self.health) { left -= 1 }
                return stream.sendError
            }
            #expect([EPIPE, ECONNRESET].contains(error))
        }
    }

    @Test func aBodyWithoutEndIsCutOff() async throws {
        try await RunningDaemon.run { daemon in
            for (path, type) in [(Endpoint.samples, MediaTypeName.json), (Endpoint.score, MediaTypeName.npy)] {
                let socket = daemon.socket
                let (sent, response) = try await ByteStream.blocking {
                    let stream = try ByteStream(socket)
                    stream.send("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Type: \(type)\r\n")
                    stream.send("Transfer-Encoding: chunked\r\n\r\n")
                    let chunk = Array("100000\r\n".utf8) + [UInt8](repeating: 0x20, count: 1 << 20) + [13, 10]
                    var sent = 0
                    while sent < 4096, stream.send(chunk) { sent += 1 }
                    return (sent, stream.receiveAll())
                }
                // Far from the end of the time limit, which would be 4 GB.
                #expect(sent < 200)
                #expect(Self.status(of: response) == 413, "\(response.prefix(300))")
                #expect(response.lowercased().contains("connection: close"))
            }
            #expect(await eventually { daemon.process.residentBytes < 400 << 20 })
            #expect(try await Curl.send(Endpoint.health, socket: daemon.socket).status == 200)
        }
    }

    @Test func slowHeadsHoldNobodyUp() async throws {
        try await RunningDaemon.run { daemon in
            let streams = try (0..<100).map { _ in try ByteStream(daemon.socket) }
            for byte in Self.health.utf8.prefix(20) {
                for stream in streams { stream.send([byte]) }
                #expect(try await Curl.send(Endpoint.status, socket: daemon.socket).status == 200)
            }
            // They are served in their turn, should they come to an end.
            streams[7].send(Array(Self.health.utf8.dropFirst(20)))
            let response = try await ByteStream.blocking { streams[7].receive(until: "ok\n") }
            #expect(Self.status(of: response) == 200)
        }
    }

    @Test func pipelinedRequestsAreServedInTheirOrder() async throws {
        try await RunningDaemon.run { daemon in
            let socket = daemon.socket
            let responses = try await ByteStream.blocking {
                let stream = try ByteStream(socket)
                for i in 0..<200 {  // whose responses fit into the socket's buffer: nothing is read until all are sent
                    let (method, path, body) =
                        switch i % 4 {
                        case 0: ("POST", Endpoint.samples, "{\"n\":\(1 + i % 7)}")
                        case 1: ("GET", Endpoint.model, "")
                        case 2: ("POST", Endpoint.samples, "{\"n\":0}")
                        default: ("GET", "/nowhere", "")
                        }
                    stream.send("\(method) \(path) HTTP/1.1\r\nHost: x\r\nX-Request-Id: r\(i).\r\n")
                    stream.send("Accept: application/*\r\nContent-Type: application/json\r\n")
                    stream.send("Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                }
                return stream.receive(until: "HTTP/1.1 ", count: 200)
            }
            let identifiers = responses.components(separatedBy: "\r\n").compactMap { line in
                line.lowercased().hasPrefix("x-request-id: r") ? line.dropFirst(15) : nil
            }
            // The last head may have come in part.
            #expect(identifiers.count >= 199)
            #expect(identifiers.enumerated().allSatisfy { $1 == "\($0)." })
        }
    }

    @Test func aClientThatHasEndedItsSideIsServed() async throws {
        try await RunningDaemon.run { daemon in
            for _ in 0..<20 {
                let body = "{\"n\":5}"
                let response = try await ByteStream.exchange(
                    daemon.socket,
                    Array(
                        "POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n\(body)".utf8))
                #expect(Self.status(of: response) == 200)
            }
        }
    }

    @Test func aFloodOfConnectionsIsServedAndForgotten() async throws {
        try await RunningDaemon.run { daemon in
            _ = try await Curl.send(Endpoint.health, socket: daemon.socket)
            let before = daemon.process
            let held = try (0..<200).map { _ in try ByteStream(daemon.socket) }
            // Beforehand curl's connection may still have been one of them.
            #expect(await eventually { daemon.process.descriptors >= before.descriptors + 199 })
            #expect(try await Curl.send(Endpoint.health, socket: daemon.socket).status == 200)
            for stream in held.prefix(100) { stream.send("GET ") }
            let socket = daemon.socket
            try await ByteStream.blocking {
                // Come and gone at once.
                for _ in 0..<2000 { _ = try ByteStream(socket) }
            }
            #expect(try await Curl.send(Endpoint.health, socket: daemon.socket).status == 200)
            withExtendedLifetime(held) {}
        }
    }

    @Test func connectionsThatAreGoneLeaveNoDescriptors() async throws {
        try await RunningDaemon.run { daemon in
            _ = try await Curl.send(Endpoint.health, socket: daemon.socket)
            let before = daemon.process
            let socket = daemon.socket
            try await ByteStream.blocking {
                for i in 0..<2000 {
                    let stream = try ByteStream(socket)
                    if i % 2 == 0 { stream.send("POST /v1/samples HTTP/1.1\r\nContent-Le") }
                }
            }
            #expect(await eventually { daemon.process.descriptors <= before.descriptors })
            #expect(daemon.process.threads <= before.threads + 1)
        }
    }
}
