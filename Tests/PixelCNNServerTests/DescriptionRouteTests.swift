// GET routes, and what every answer carries.

import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct DescriptionRouteTests {
    @Test func modelDescribesTheModel() async throws {
        try await TestServer.run { server in
            let answer = try await Curl.send(Endpoint.model, socket: server.socket)
            #expect(answer.status == 200)
            #expect(try JSONCoding.decode(ModelDescription.self, from: answer.body) == server.model)
        }
    }

    @Test func statusShowsTheBackendsCounters() async throws {
        try await TestServer.run { server in
            let answer = try await Curl.send(Endpoint.status, socket: server.socket)
            let status = try JSONCoding.decode(StatusDescription.self, from: answer.body)
            #expect(status.state == .ready)
            #expect((status.requestsInFlight, status.requestsQueued) == (1, 2))
            #expect((status.imagesInFlight, status.imagesQueued) == (3, 4))
            #expect((status.imagesCompleted, status.valuesDrawn, status.threads) == (5, 6, 7))
            #expect(status.uptimeSeconds >= 0)
        }
    }

    @Test func healthAndReadinessAre200WhileServing() async throws {
        try await TestServer.run { server in
            for path in [Endpoint.health, Endpoint.readiness] {
                let answer = try await Curl.send(path, socket: server.socket)
                #expect(answer.status == 200)
            }
        }
    }

    @Test func headAnswersAsGetWithoutTheBody() async throws {
        try await TestServer.run { server in
            for path in [Endpoint.model, Endpoint.health, "/nowhere"] {
                let get = try await Curl.send(path, socket: server.socket)
                let head = try await Curl.send(path, socket: server.socket, ["--head"])
                #expect(head.status == get.status)
                #expect(head.headers["content-length"] == "\(get.body.count)")
                #expect(head.headers["content-type"] == get.headers["content-type"])
            }
        }
    }

    @Test func optionsNamesTheMethods() async throws {
        try await TestServer.run { server in
            let answer = try await Curl.send(Endpoint.samples, socket: server.socket, ["-X", "OPTIONS"])
            #expect(answer.status == 204)
            #expect(answer.headers["allow"] == "POST, OPTIONS")
        }
    }

    @Test func theClientsOwnRequestIDComesBack() async throws {
        try await TestServer.run { server in
            let answer = try await Curl.send(Endpoint.health, socket: server.socket, ["-H", "X-Request-Id: job-17.a"])
            #expect(answer.headers["x-request-id"] == "job-17.a")
        }
    }

    @Test func aRequestIDThatIsNotPlainIsReplaced() async throws {
        try await TestServer.run { server in
            for identifier in [String(repeating: "x", count: 129), "a b", "a\"b", "é"] {
                let answer = try await Curl.send(
                    Endpoint.health, socket: server.socket, ["-H", "X-Request-Id: \(identifier)"])
                #expect(answer.headers["x-request-id"]?.count == 16)
            }
        }
    }

    @Test func datesAreWrittenAsHTTPHasThem() {
        #expect(ResponseHeaders.httpDate(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
