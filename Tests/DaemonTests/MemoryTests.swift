// What clients can make a daemon hold, as its own process says: bodies that never end and responses that nobody reads
// fill the memory for requests and no more; the others are refused, and all of it is free again when they are gone.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@Suite(.timeLimit(.minutes(30))) struct MemoryTests {
    /// Bytes that requests have claimed.
    private static func claimed(_ daemon: RunningDaemon) -> Double { metric("request_memory_bytes", daemon) }

    private static func metric(_ name: String, _ daemon: RunningDaemon) -> Double {
        let text = PlainRequest.get(Endpoint.metrics, socket: daemon.socket).map { String(decoding: $0, as: UTF8.self) }
        let line = text?.split(separator: "\n").first { $0.hasPrefix("pixelcnnd_\(name) ") }
        return line?.split(separator: " ").last.flatMap { Double($0) } ?? .nan
    }

    private static func expectBounded(
        _ daemon: RunningDaemon, limit: Int, before: Int, _ streams: inout [ByteStream],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let claimed = Self.claimed(daemon)
        #expect(claimed > 0 && claimed <= Double(limit), sourceLocation: sourceLocation)
        // Connections and the allocator have their part besides.
        let peak = daemon.process.peakBytes
        #expect(peak < before + limit + (64 << 20), "\(peak), before \(before)", sourceLocation: sourceLocation)
        streams.removeAll()
        #expect(await eventually { Self.claimed(daemon) == 0 }, sourceLocation: sourceLocation)
        let response = try await Curl.send(Endpoint.samples, socket: daemon.socket, json: "{}")
        #expect(response.status == 200, sourceLocation: sourceLocation)
    }

    @Test func bodiesThatDoNotEndFillTheMemoryForRequestsAndNoMore() async throws {
        let limit = 64 << 20
        try await RunningDaemon.run(["--max-request-memory", "\(limit)", "--client-timeout", "600"]) { daemon in
            let before = daemon.process.residentBytes
            var streams = try (0..<100).map { _ in try ByteStream(daemon.socket) }
            let head =
                "POST /v1/score HTTP/1.1\r\nHost: x\r\n"
                + "Content-Type: application/x-npy\r\nContent-Length: 4000001\r\n\r\n"
            let body = [UInt8](repeating: 1, count: 4_000_000)
            let responses = try await ByteStream.blocking { [streams] in
                for stream in streams {
                    stream.send(head)
                    stream.send(body)
                }
                return streams.suffix(90).map { $0.receive(until: "\r\n\r\n") }
            }
            #expect(responses.allSatisfy { $0.hasPrefix("HTTP/1.1 429") && $0.lowercased().contains("retry-after: ") })
            try await Self.expectBounded(daemon, limit: limit, before: before, &streams)
        }
    }

    /// Large bodies leave nothing behind: as much as the allocator keeps for small ones, and no more.
    @Test func memoryOfLargeBodiesGoesBackToTheKernel() async throws {
        try await RunningDaemon.run(["--cache-size", "0"]) { daemon in
            // An array of four channels: its whole body is read, then refused.
            let images = SampledImages(
                values: [UInt16](repeating: 0, count: 180_000 * 256),
                shape: .init(channels: 4, height: 8, width: 8, colors: 256))
            let file = daemon.directory.file("images.npy")
            try Data(images.npy()).write(to: URL(fileURLWithPath: file))
            let arguments = ["-H", "Content-Type: \(MediaTypeName.npy)", "--data-binary", "@\(file)"]
            for _ in 0..<4 {
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<5 {
                        group.addTask {
                            try await Curl.send(Endpoint.score, socket: daemon.socket, arguments).status
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(statuses.contains(422) && statuses.allSatisfy { [422, 429].contains($0) })
            }
            #expect(await eventually { Self.claimed(daemon) == 0 && daemon.process.residentBytes < 80 << 20 })
        }
    }

    /// What is announced and never comes keeps nobody out.
    @Test func bodiesThatDoNotBeginTakeNoMemory() async throws {
        try await RunningDaemon.run(["--max-request-memory", "\(64 << 20)"]) { daemon in
            let head = "POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-npy\r\n"
            let clients = try (0..<8).map { _ in
                try SilentClient(daemon.socket, sending: head + "Content-Length: 16000000\r\n\r\n")
            }
            #expect(await eventually { Self.metric("http_requests_in_flight", daemon) == 9 })
            let response = try await Curl.send(Endpoint.samples, socket: daemon.socket, json: "{}")
            #expect(response.status == 200, "\(response.text)")
            withExtendedLifetime(clients) {}
        }
    }

    @Test func responsesThatNobodyReadsFillTheMemoryForRequestsAndNoMore() async throws {
        let limit = 16 << 20
        let options = ["--max-request-memory", "\(limit)", "--cache-size", "0", "--client-timeout", "600"]
        try await RunningDaemon.run(options) { daemon in
            let before = daemon.process.residentBytes
            var streams: [ByteStream] = []
            var responses: [String] = []
            // Each claims 4.7 MB while it is drawn, and 0.8 MB until it is read.
            for _ in 0..<24 {
                let stream = try ByteStream(daemon.socket)
                let body = "{\"n\":1000,\"height\":16,\"width\":16}"
                stream.send("POST /v1/samples HTTP/1.1\r\nHost: x\r\nAccept: application/x-npy\r\n")
                stream.send("Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                streams.append(stream)
                responses.append(try await ByteStream.blocking { stream.receive(until: "\r\n\r\n") })
            }
            let served = responses.prefix { $0.hasPrefix("HTTP/1.1 200") }.count
            #expect(10...20 ~= served)
            #expect(responses.dropFirst(served).allSatisfy { $0.hasPrefix("HTTP/1.1 429") })
            try await Self.expectBounded(daemon, limit: limit, before: before, &streams)
        }
    }
}
