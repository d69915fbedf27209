// One record a request: who, what, how it went. That one draws the same images again is tried with a real daemon.

import Foundation
import ImageFormats
import InMemoryLogging
import Logging
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@testable import PixelCNNServer

@Suite struct RequestLogTests {
    /// The records so far, by message.
    private func records(_ server: TestServer) -> [(message: String, fields: [String: String])] {
        server.log.entries.filter { $0.metadata["outcome"] != nil }
            .map { ("\($0.message)", $0.metadata.mapValues { "\($0)" }) }
    }

    /// The only record, once it is there.
    private func record(_ server: TestServer) async throws -> (message: String, fields: [String: String]) {
        #expect(await eventually { !records(server).isEmpty })
        try #require(records(server).count == 1)
        return records(server)[0]
    }

    @Test func samplesAreRecordedWithTheirParametersAndTheirClient() async throws {
        try await TestServer.run { server in
            let json =
                "{\"n\":2,\"first_index\":9,\"height\":3,\"temperature\":0.7,\"top_k\":4,\"top_p\":0.5,\"columns\":1}"
            let response = try await Curl.send(
                Endpoint.samples, socket: server.socket,
                ["-H", "X-Request-Id: mine", "-H", "Accept: application/x-npy"],
                json: json)
            let (message, fields) = try await record(server)
            #expect(message == "POST /v1/samples 200")
            let expected = [
                "request": "mine", "outcome": "done", "images": "2", "height": "3", "width": "5", "first_index": "9",
                "seed": response.headers["pixelcnn-seed"] ?? "", "temperature": "0.7", "top_k": "4", "top_p": "0.5",
                "columns": "1", "type": "application/x-npy", "model": TestServer.sha256, "precision": "f32",
                "uid": "\(getuid())",
            ]
            #expect(fields.filter { !["ms", "pid"].contains($0.key) } == expected)
            #expect(Int(fields["ms"] ?? "") != nil && Int(fields["pid"] ?? "") ?? 0 > 1)
        }
    }

    @Test func theClassIsRecordedByItsNumber() async throws {
        try await TestServer.run(labelNames: ["cat", "dog"]) { server in
            _ = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"label\":\"dog\"}")
            #expect(try await record(server).fields["label"] == "1")
        }
    }

    @Test func refusalsAtTheHeadNameTheirClient() async throws {
        try await TestServer.run(.crowded) { server in
            _ = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{}")
            let fields = try await record(server).fields
            #expect((fields["outcome"], fields["uid"]) == ("refused", "\(getuid())"))
        }
    }

    @Test func theClientIsTheProcessThatConnected() async throws {
        try await TestServer.run { server in
            let socket = server.socket
            try await RawConnection.open(socket) { session in
                try await session.send("GET /v1/model HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await session.responses(1)
            }
            let fields = try await record(server).fields
            #expect((fields["pid"], fields["uid"]) == ("\(getpid())", "\(getuid())"))
        }
    }

    @Test func longPathsAreCutAndStayAsTheyWereSent() async throws {
        try await TestServer.run { server in
            let path = "/%1B%5B31m%0A" + String(repeating: "x", count: 5000)
            try await RawConnection.open(server.socket) { session in
                try await session.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await session.responses(1)
            }
            #expect(try await record(server).message == "GET \(path.prefix(256))… 404")
        }
    }

    /// A log is read on a terminal. The HTTP parser refuses such a path before there is a record, so none is sent here.
    @Test func whatATerminalWouldObeyIsEscaped() {
        let handler = InMemoryLogHandler()
        var logger = Logger(label: "test", factory: { _ in handler })
        logger.logLevel = .info
        let path = "/\u{9B}31m\u{202E}\n" + String(repeating: "\u{1B}", count: 300)
        RequestLog(logger).log(.get, path, RequestRecord(requestID: "mine", peer: nil), status: 404, since: .now)
        let shown = "/\\u{9b}31m\\u{202e}\\u{a}" + String(repeating: "\\u{1b}", count: 300)
        #expect(handler.entries.map { "\($0.message)" } == ["GET \(shown.prefix(256))… 404"])
    }

    @Test func scoresAreRecorded() async throws {
        try await TestServer.run { server in
            let directory = try TemporaryDirectory()
            let npy = NPYArray.encode([UInt8](repeating: 3, count: 60), shape: [1, 3, 4, 5])
            try Data(npy).write(to: URL(fileURLWithPath: directory.file("a.npy")))
            _ = try await Curl.send(
                Endpoint.score, socket: server.socket,
                ["-H", "Content-Type: application/x-npy", "--data-binary", "@\(directory.file("a.npy"))"])
            let (message, fields) = try await record(server)
            #expect(message == "POST /v1/score 200")
            #expect((fields["images"], fields["height"], fields["width"]) == ("1", "4", "5"))
            #expect(fields["outcome"] == "done" && fields["seed"] == nil)
        }
    }

    @Test(arguments: [
        (FakeBackend.Behaviour.full, "refused"), (.late, "deadline"), (.stopped, "stopped"), (.broken, "failed"),
    ])
    func howItEndedIsRecordedOfStreamsToo(behaviour: FakeBackend.Behaviour, outcome: String) async throws {
        for accept in ["image/png", "text/event-stream"] {
            try await TestServer.run(behaviour) { server in
                _ = try await Curl.send(
                    Endpoint.samples, socket: server.socket, ["-H", "Accept: \(accept)"], json: "{\"seed\":3}")
                let fields = try await record(server).fields
                #expect((fields["outcome"], fields["seed"]) == (outcome, "3"))
            }
        }
        // An error after the stream has begun, whose status was 200.
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(EventStreamTests.request("{}"))
                _ = try await session.until("event: progress")
                backend.behaviour = behaviour
                #expect(try await session.until("0\r\n\r\n").contains("event: error"))
            }
            #expect(try await record(server).fields["outcome"] == outcome)
        }
    }

    @Test func aClientThatLeftIsRecorded() async throws {
        try await TestServer.run(.waiting) { server in
            let backend = server.backend
            try await RawConnection.open(server.socket) { session in
                try await session.send(
                    "POST /v1/samples HTTP/1.1\r\nHost: x\r\n"
                        + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                )
                #expect(await eventually { backend.running == 1 })
            }
            let (message, fields) = try await record(server)
            #expect((message, fields["outcome"]) == ("POST /v1/samples 499", "cancelled"))
            #expect(fields["pid"] == "\(getpid())")
        }
    }

    @Test func refusalsForWantOfRoomAreLoggedOnceASecondAndCounted() async throws {
        try await TestServer.run(.full) { server in
            var refused = 0
            #expect(
                await eventually {
                    // Twenty in one go, and one a second or more later that counts those which were not logged.
                    for count in [20, 1] {
                        try? await refuse(count, server)
                        refused += count
                        try? await Task.sleep(for: .milliseconds(1100))
                    }
                    let records = self.records(server)
                    return records.count < refused && records.reduce(0) { $0 + counted($1.fields) } == refused
                })
        }
    }

    /// Requests on one connection, which have their responses.
    private func refuse(_ count: Int, _ server: TestServer) async throws {
        try await RawConnection.open(server.socket) { session in
            for _ in 0..<count {
                try await session.send("POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            }
            _ = try await session.responses(count)
        }
    }

    private func counted(_ fields: [String: String]) -> Int { 1 + (Int(fields["suppressed"] ?? "0") ?? 0) }

    @Test func probesAreQuiet() async throws {
        try await TestServer.run { server in
            for path in [Endpoint.health, Endpoint.readiness, Endpoint.metrics] {
                #expect(try await Curl.send(path, socket: server.socket).status == 200)
            }
            _ = try await Curl.send(Endpoint.status, socket: server.socket)
            #expect(try await record(server).message == "GET /v1/status 200")
        }
    }
}
