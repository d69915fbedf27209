// What HTTP/1.0 clients, lengths past every number and endless chunk extensions get, on the raw socket.

import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite(.timeLimit(.minutes(5))) struct HTTP1RulesTests {
    private static let json = "Content-Type: application/json\r\n"

    /// All that comes back until the server closes, of a client that keeps its own side open.
    private func everything(_ request: String, _ server: TestServer) async throws -> String {
        nonisolated(unsafe) var response = ""
        try await RawConnection.open(server.socket) { session in
            try? await session.send(request)  // who is refused early is cut off
            response = try await session.everything()
        }
        return response
    }

    @Test(arguments: ["", "Connection: close\r\n", "Connection: TE\r\n", "Connection: Keep-Alive, Close\r\n"])
    func anHTTP10ResponseSaysThatItClosesAndCloses(_ field: String) async throws {
        try await TestServer.run { server in
            let response = try await everything("GET /healthz HTTP/1.0\r\n\(field)\r\n", server)
            #expect(response.hasPrefix("HTTP/1.0 200 OK\r\n") && response.hasSuffix("ok\n"), "\(response)")
            #expect(response.contains("\r\nConnection: close\r\n"), "\(response)")
        }
    }

    @Test func anHTTP10ClientThatAsksForItKeepsItsConnection() async throws {
        try await TestServer.run { server in
            try await RawConnection.open(server.socket) { session in
                for _ in 0..<3 {
                    try await session.send("GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
                    let response = try await session.until("ok\n")
                    #expect(response.contains("\r\nConnection: keep-alive\r\n"), "\(response)")
                    session.forget()
                }
            }
        }
    }

    /// It knows no chunks, so that the connection's end is the stream's, whatever it asks for.
    @Test(arguments: ["", "Connection: keep-alive\r\n"])
    func anHTTP10StreamHasNoChunksAndEndsWithTheConnection(_ field: String) async throws {
        try await TestServer.run { server in
            let response = try await everything(
                "POST /v1/samples HTTP/1.0\r\n\(field)Accept: text/event-stream\r\n\(Self.json)"
                    + "Content-Length: 2\r\n\r\n{}", server)
            #expect(response.hasPrefix("HTTP/1.0 200 OK\r\n"), "\(response)")
            #expect(!response.lowercased().contains("transfer-encoding"), "\(response)")
            #expect(response.contains("\r\nConnection: close\r\n"), "\(response)")
            #expect(response.contains("\r\n\r\nevent: progress\n"), "\(response)")
            #expect(response.contains("event: done\n") && response.hasSuffix("\n\n"), "\(response)")
        }
    }

    @Test func anHTTP10ClientIsNeverInvited() async throws {
        try await TestServer.run { server in
            let response = try await everything(
                "POST /v1/samples HTTP/1.0\r\nExpect: 100-continue\r\n\(Self.json)Content-Length: 2\r\n\r\n{}", server)
            #expect(response.hasPrefix("HTTP/1.0 200 OK\r\n") && !response.contains("100 Continue"), "\(response)")
        }
    }

    @Test(arguments: ["close", "Close", "keep-alive, close"])
    func anHTTP11ClientThatAsksForItIsToldThatTheConnectionCloses(_ value: String) async throws {
        try await TestServer.run { server in
            let response = try await everything(
                "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: \(value)\r\n\r\n", server)
            #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(response)")
            #expect(response.contains("\r\nConnection: close\r\n"), "\(response)")
        }
    }

    @Test(arguments: ["9223372036854775807", "9223372036854775808", "18446744073709551615"], [true, false])
    func aLengthPastEveryNumberIsTooLargeAndNotInvited(_ length: String, expects: Bool) async throws {
        try await TestServer.run { server in
            for (path, type) in [(Endpoint.samples, MediaTypeName.json), (Endpoint.score, MediaTypeName.npy)] {
                let response = try await everything(
                    "POST \(path) HTTP/1.1\r\nHost: x\r\n\(expects ? "Expect: 100-continue\r\n" : "")"
                        + "Content-Type: \(type)\r\nContent-Length: \(length)\r\n\r\n", server)
                #expect(response.hasPrefix("HTTP/1.1 413 ") || response.hasPrefix("HTTP/1.1 400 "), "\(response)")
                #expect(response.contains("application/problem+json"), "\(response)")
            }
        }
    }

    /// Fast enough never to be called idle, and without end.
    @Test(arguments: [Endpoint.samples, "/nowhere"])
    func chunkExtensionsHaveAnEnd(_ path: String) async throws {
        try await TestServer.run { server in
            nonisolated(unsafe) var (response, sent) = ("", 0)
            let head = "POST \(path) HTTP/1.1\r\nHost: x\r\n\(Self.json)Transfer-Encoding: chunked\r\n\r\n2;a="
            let piece = String(repeating: "x", count: 16 << 10)
            try await RawConnection.open(server.socket) { session in
                try await session.send(head)
                while sent < 1024, (try? await session.deliver(piece)) != nil { sent += 1 }
            }
            #expect(sent < 1024, "16 MB were taken")
            guard path == Endpoint.samples else { return }
            // Whoever stops to read is told.
            try await RawConnection.open(server.socket) { session in
                try await session.send(head)
                for _ in 0..<16 { try? await session.send(piece) }
                response = try await session.until("besides data")
            }
            #expect(response.hasPrefix("HTTP/1.1 400 "), "\(response)")
            #expect(response.contains("the body's chunks have too many bytes besides data"), "\(response)")
        }
    }

    /// Many small extensions add up; chunks of one byte, as some clients send them, do not.
    @Test func extensionsAddUpAndSmallChunksAreAllowed() async throws {
        try await TestServer.run { server in
            let head =
                "POST /v1/samples HTTP/1.1\r\nHost: x\r\n\(Self.json)Connection: close\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n"
            let chunk = "1;\(String(repeating: "e", count: 100))\r\n \r\n"
            let many = try await everything(head + String(repeating: chunk, count: 20_000), server)
            #expect(many.hasPrefix("HTTP/1.1 400 ") && many.contains("too many bytes besides data"), "\(many)")
            let small = String(repeating: "1;e\r\n \r\n", count: 50_000) + "2\r\n{}\r\n0\r\n\r\n"
            let response = try await everything(head + small, server)
            #expect(response.hasPrefix("HTTP/1.1 200 OK"), "\(response)")
        }
    }
}
