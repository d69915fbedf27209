// POST /v1/samples as an event stream: framing, order, and what becomes a response with a status instead.

import Foundation
import ImageFormats
import ImageImport
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct EventStreamTests {
    private func stream(_ server: TestServer, _ json: String) async throws -> CurlResponse {
        try await Curl.send(
            Endpoint.samples, socket: server.socket, ["--no-buffer", "-H", "Accept: text/event-stream"], json: json)
    }

    private func events(_ response: CurlResponse) throws -> [ServerSentEvent] {
        var parser = ServerSentEventParser()
        return try parser.events(in: response.body)
    }

    @Test func rowsImagesAndTheEndComeInOrder() async throws {
        try await TestServer.run { server in
            let response = try await self.stream(
                server, "{\"n\":2,\"seed\":5,\"first_index\":7,\"stream_rows\":true,\"format\":\"npy\"}")
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "text/event-stream")
            #expect(response.headers["cache-control"] == "no-store")
            #expect(response.headers["pixelcnn-seed"] == "5")
            let events = try self.events(response).filter { $0.name != SampleEventName.progress }
            #expect(
                events.map(\.name) == [
                    "row", "row", "row", "row", "image", "row", "row", "row", "row", "image", "done",
                ])
            let job = try #require(server.backend.samplingJobs.first)
            let values = server.backend.values(of: job)
            for (image, event) in events.filter({ $0.name == "image" }).enumerated() {
                let decoded = try JSONCoding.decode(ImageEvent.self, from: event.data)
                #expect(decoded.index == UInt64(7 + image) && decoded.png == nil)
                let array = try NPYArray(parsing: Array(#require(decoded.npy)))
                #expect(array.shape == [3, 4, 5])
                #expect(
                    try array.integers(as: UInt16.self, in: 0...255) == Array(values[image * 60..<(image + 1) * 60]))
            }
            for (place, event) in events.filter({ $0.name == "row" }).enumerated() {
                let (image, row) = (place / 4, place % 4)
                let decoded = try JSONCoding.decode(RowEvent.self, from: event.data)
                #expect((decoded.index, decoded.row, decoded.dtype) == (UInt64(7 + image), row, "|u1"))
                var expected: [UInt16] = []
                for channel in 0..<3 {
                    let start = image * 60 + channel * 20 + row * 5
                    expected += values[start..<start + 5]
                }
                #expect(Array(decoded.values).map(UInt16.init) == expected)
            }
            let done = try JSONCoding.decode(DoneEvent.self, from: #require(events.last).data)
            #expect(done == DoneEvent(n: 2, seed: 5, firstIndex: 7, rowsKnown: 0))
        }
    }

    @Test func imagesHaveTheSumsOfTheirLogProbabilities() async throws {
        try await TestServer.run { server in
            for (format, isChanged) in [("png", false), ("npz", true)] {
                let fields = isChanged ? ",\"temperature\":0.5" : ""
                let events = try self.events(
                    await stream(server, "{\"n\":2,\"seed\":5,\"log_prob\":true,\"format\":\"\(format)\"\(fields)}"))
                let images = try events.filter { $0.name == SampleEventName.image }
                    .map { try JSONCoding.decode(ImageEvent.self, from: $0.data) }
                #expect(images.count == 2)
                let values = server.backend.values(of: try #require(server.backend.samplingJobs.last))
                for (i, image) in images.enumerated() {
                    let own = values[i * 60..<(i + 1) * 60]
                    let sum = own.reduce(0.0) { $0 - Double($1) / 16 }
                    #expect(image.logProb == sum && image.logQ == (isChanged ? sum / 2 : nil))
                    guard format == "npz" else { #expect(image.png != nil && image.npz == nil); continue }
                    let file = try NPZFile(Array(#require(image.npz)))
                    #expect(file.names == ["samples", "log_prob", "log_q"])
                    for name in file.names {
                        let array = try NPYArray(parsing: file.array(name))
                        #expect(array.shape == [3, 4, 5])
                        let divisor: Float = name == "samples" ? 1 : name == "log_prob" ? -16 : -32
                        #expect(array.floats() == own.map { Float($0) / divisor })
                    }
                }
            }
        }
    }

    @Test func imagesArePNGsThatThePlainCallGivesToo() async throws {
        try await TestServer.run { server in
            let events = try self.events(await stream(server, "{\"n\":2,\"seed\":5,\"first_index\":3}"))
            for (event, index) in zip(events.filter({ $0.name == "image" }), [3, 4]) {
                let plain = try await Curl.send(
                    Endpoint.samples, socket: server.socket, json: "{\"seed\":5,\"first_index\":\(index)}")
                let image = try JSONCoding.decode(ImageEvent.self, from: event.data)
                #expect(image.png.map(Array.init) == plain.body)
                #expect(image.npy == nil)
            }
        }
    }

    @Test func imagesOfAModelThatNoPNGShowsAreNPY() async throws {
        try await TestServer.run(channels: 2, colors: 1024) { server in
            let events = try self.events(await stream(server, "{\"stream_rows\":true}"))
            let image = try JSONCoding.decode(
                ImageEvent.self, from: #require(events.first { $0.name == "image" }).data)
            #expect(try NPYArray(parsing: Array(#require(image.npy))).elementType == .uint16)
            let row = try JSONCoding.decode(RowEvent.self, from: #require(events.first { $0.name == "row" }).data)
            #expect(row.dtype == "<u2" && row.values.count == 2 * 2 * 5)
            let refused = try await stream(server, "{\"format\":\"png\"}")
            #expect(refused.status == 422)
        }
    }

    @Test func aRefusalIsAStatusAndNoStream() async throws {
        for (behaviour, status) in [
            (FakeBackend.Behaviour.full, 429), (.stopped, 503), (.late, 504), (.broken, 500),
        ] {
            try await TestServer.run(behaviour) { server in
                // A rejection that comes late, on a busy machine, is reported by the stream's last event.
                var response = try await stream(server, "{}")
                #expect(
                    await eventually {
                        if response.status == 200 { response = (try? await stream(server, "{}")) ?? response }
                        return response.status != 200
                    })
                #expect(response.status == status)
                #expect(response.headers["content-type"] == "application/problem+json")
            }
        }
    }

    @Test func whatFailsLaterIsTheLastEvent() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.request("{\"n\":2}"))
                _ = try await session.responses(1)
                backend.behaviour = .late
                let text = try await session.until("0\r\n\r\n")
                #expect(text.contains("event: error\ndata: {"))
                #expect(text.contains("\"status\":504"))
                #expect(!text.contains("event: done"))
            }
        }
    }

    @Test func whatWeFailAtLaterIsToldWithoutSecretsAndCountedAs500() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.request("{}"))
                _ = try await session.responses(1)
                backend.behaviour = .broken
                let text = try await session.until("0\r\n\r\n")
                #expect(text.contains("event: error\ndata: {") && text.contains("\"status\":500"))
                #expect(!text.contains("secret"))
            }
            let counted = "pixelcnnd_http_requests_total{route=\"/v1/samples\",status=\"500\"} 1\n"
            #expect(
                await eventually {
                    let metrics = try? await Curl.send(Endpoint.metrics, socket: server.socket)
                    return metrics.map { String(decoding: $0.body, as: UTF8.self).contains(counted) } ?? false
                })
        }
    }

    @Test func aClientThatLeavesAStreamFreesItsImages() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.request("{}"))
                #expect(try await session.until("event: progress").contains("200 OK"))
                #expect(await eventually { backend.running == 1 })
            }
            #expect(await eventually { backend.cancelled == 1 })
        }
    }

    @Test func aConnectionCarriesRequestsAfterAStream() async throws {
        try await TestServer.run { server in
            try await RawConnection.open(server.socket) { session in
                try await session.send(Self.request("{}"))
                _ = try await session.until("0\r\n\r\n")
                try await session.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await session.responses(2).hasSuffix("ok\n"))
            }
        }
    }

    static func request(_ json: String) -> String {
        "POST /v1/samples HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(json.utf8.count)\r\n\r\n\(json)"
    }
}
