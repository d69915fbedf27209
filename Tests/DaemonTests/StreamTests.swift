// Event streams of a real daemon, by the real curl: what they report is what the plain call gives, as it comes; and who
// does not read, or leaves, holds nothing up.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@Suite(.serialized) struct StreamTests {
    private static let streamed = ["--no-buffer", "-H", "Accept: text/event-stream"]

    private func events(_ daemon: RunningDaemon, _ json: String) async throws -> [ServerSentEvent] {
        let response = try await Curl.send(Endpoint.samples, socket: daemon.socket, Self.streamed, json: json)
        #expect(response.status == 200, "\(response.text)")
        var parser = ServerSentEventParser()
        return try parser.events(in: response.body)
    }

    @Test func rowsAndImagesAreThePlainCallsValues() async throws {
        try await RunningDaemon.run { daemon in
            let plain = try await daemon.client(
                [
                    "sample", "-n", "5", "--seed", "2", "--first-index", "9", "--height", "6", "--format", "npy", "-o",
                    "-",
                ])
            let values = try NPYArray(parsing: plain.output).integers(as: UInt8.self, in: 0...255)
            let events = try await self.events(
                daemon, "{\"n\":5,\"seed\":2,\"first_index\":9,\"height\":6,\"stream_rows\":true,\"format\":\"npy\"}")
            let size = 3 * 6 * 8
            var rows = 0
            for event in events where event.name == SampleEventName.row {
                let row = try JSONCoding.decode(RowEvent.self, from: event.data)
                let start = Int(row.index - 9) * size + row.row * 8
                var expected: [UInt8] = []
                for channel in 0..<3 { expected += values[start + channel * 48..<start + channel * 48 + 8] }
                #expect(Array(row.values) == expected)
                rows += 1
            }
            #expect(rows == 5 * 6)
            var images: Set<UInt64> = []
            for event in events where event.name == SampleEventName.image {
                let image = try JSONCoding.decode(ImageEvent.self, from: event.data)
                let array = try NPYArray(parsing: Array(#require(image.npy)))
                let start = Int(image.index - 9) * size
                #expect(
                    try array.integers(as: UInt8.self, in: 0...255) == Array(values[start..<start + size]))
                images.insert(image.index)
            }
            #expect(images == [9, 10, 11, 12, 13])
            #expect(events.last?.name == SampleEventName.done)
        }
    }

    @Test func progressGrowsAndComesAtMostTenTimesASecond() async throws {
        try await RunningDaemon.run { daemon in
            let start = ContinuousClock.now
            let events = try await self.events(daemon, "{\"n\":4,\"height\":100,\"width\":100}")
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            let progress = try events.filter { $0.name == SampleEventName.progress }
                .map { try JSONCoding.decode(ProgressEvent.self, from: $0.data) }
            #expect(progress.count > 1 && Double(progress.count) <= 2 + 10 * seconds)
            #expect(zip(progress, progress.dropFirst()).allSatisfy { $0.done < $1.done })
            #expect(progress.allSatisfy { $0.total == 4 * 3 * 10_000 && $0.done <= $0.total })
        }
    }

    @Test func eventsComeWhileTheJobRuns() async throws {
        try await RunningDaemon.run { daemon in
            let curl = try Command(
                "/usr/bin/curl",
                ["-s", "--unix-socket", daemon.socket] + Self.streamed
                    + ["-d", "{\"n\":40,\"height\":200,\"width\":200,\"stream_rows\":true}", "http://x/v1/samples"])
            #expect(await eventually { curl.outputBytes > 1000 })
            #expect(await daemon.status()?.imagesInFlight ?? 0 > 0)
            curl.signal(SIGKILL)
            _ = try await curl.wait()
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test(arguments: ["image/png", "application/x-npy", "text/event-stream"])
    func whoLeavesQueuedOrComputingFreesItsImages(accept: String) async throws {
        try await RunningDaemon.run(["--threads", "1"]) { daemon in
            // Killed: what a test starts may have other signals blocked.
            let request = { (n: Int) in
                try Command(
                    "/usr/bin/curl",
                    [
                        "-s", "--unix-socket", daemon.socket, "-H", "Accept: \(accept)", "-d",
                        "{\"n\":\(n),\"height\":300,\"width\":300}", "http://x/v1/samples",
                    ])
            }
            let computing = try request(64)
            #expect(await eventually { await daemon.status()?.imagesInFlight == 64 })
            let queued = try request(7)
            #expect(await eventually { await daemon.status()?.imagesQueued == 7 })
            queued.signal(SIGKILL)
            #expect(await eventually { await daemon.status()?.imagesQueued == 0 })
            #expect(await daemon.status()?.imagesInFlight == 64)
            computing.signal(SIGKILL)
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
            _ = try await (queued.wait(), computing.wait())
        }
    }

    @Test func whoReadsNothingHoldsNoMemoryAndIsHungUpOn() async throws {
        try await RunningDaemon.run(["--client-timeout", "2"]) { daemon in
            // 12 MB of rows and images in base64, of which the socket takes a fraction.
            let json = "{\"n\":16,\"height\":300,\"width\":300,\"stream_rows\":true,\"format\":\"npy\"}"
            let before = try daemon.residentBytes()
            let silent = try SilentClient(
                daemon.socket,
                sending: "POST /v1/samples HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
                    + "Content-Length: \(json.utf8.count)\r\n\r\n\(json)")
            #expect(await eventually { await daemon.status()?.imagesInFlight ?? 0 > 0 })
            var most = 0
            #expect(
                await eventually {
                    most = max(most, (try? daemon.residentBytes()) ?? 0)
                    return await daemon.status()?.imagesInFlight == 0
                })
            // The job's own values, as two-byte numbers, twice; and what the engine needs for its images.
            #expect(most - before < 64 << 20, "\(most - before)")
            #expect(await daemon.status()?.imagesCompleted ?? 0 < 16)
            withExtendedLifetime(silent) {}
        }
    }

    /// Takes far longer in all than a client may be silent, but is never silent for long.
    @Test func aSlowReaderGetsEverything() async throws {
        try await RunningDaemon.run(["--client-timeout", "5"]) { daemon in
            let json = "{\"height\":300,\"width\":300,\"stream_rows\":true,\"format\":\"npy\"}"
            let stream = try await readSlowly(
                daemon, Endpoint.samples, accept: MediaTypeName.eventStream, type: MediaTypeName.json, Array(json.utf8)
            ) { $0.hasSuffix("0\r\n\r\n".utf8) }
            var parser = ServerSentEventParser()
            let events = try parser.events(in: Self.joinChunks(stream))
            #expect(events.count { $0.name == SampleEventName.row } == 300)
            #expect(events.count { $0.name == SampleEventName.image } == 1)
            #expect(events.last?.name == SampleEventName.done)
            // A plain response of 1 MB, which costs less time to compute than to read: its end waits for seven seconds.
            let image = NPYArray.encode([UInt8](repeating: 7, count: 3 * 90_000), shape: [1, 3, 300, 300])
            let length = 128 + 4 * 3 * 90_000
            let plain = try await readSlowly(
                daemon, Endpoint.score, accept: MediaTypeName.npy, type: MediaTypeName.npy, image
            ) { $0.count >= length }
            #expect(plain.count == length)
        }
    }

    /// What follows a response's head, taken 64 KB at a time with pauses, until `isWhole` or the daemon hangs up.
    private func readSlowly(
        _ daemon: RunningDaemon, _ path: String, accept: String, type: String, _ request: [UInt8],
        until isWhole: @Sendable @escaping ([UInt8]) -> Bool
    ) async throws -> [UInt8] {
        let socket = daemon.socket
        return try await ByteStream.blocking {
            let stream = try ByteStream(socket)
            stream.send("POST \(path) HTTP/1.1\r\nHost: x\r\nAccept: \(accept)\r\nContent-Type: \(type)\r\n")
            stream.send("Content-Length: \(request.count)\r\n\r\n")
            stream.send(request)
            var (all, body): ([UInt8], [UInt8]) = ([], [])
            while !isWhole(body), case let piece = stream.receive(), !piece.isEmpty {
                all += piece
                if body.isEmpty, let end = all.firstRange(of: Array("\r\n\r\n".utf8)) {
                    body = Array(all[end.upperBound...])
                } else if !body.isEmpty {
                    body += piece
                }
                Thread.sleep(forTimeInterval: 0.5)
            }
            return body
        }
    }

    /// The content of a chunked body (RFC 9112, section 7.1).
    private static func joinChunks(_ body: [UInt8]) -> [UInt8] {
        var (content, rest): ([UInt8], ArraySlice<UInt8>) = ([], body[...])
        while let end = rest.firstRange(of: Array("\r\n".utf8)),
            let size = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16), size > 0
        {
            content += rest[end.upperBound...].prefix(size)
            rest = rest[end.upperBound...].dropFirst(size + 2)
        }
        return content
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ text: String.UTF8View) -> Bool { suffix(text.count).elementsEqual(text) }
}
