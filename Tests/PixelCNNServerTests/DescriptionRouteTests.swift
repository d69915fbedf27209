// GET routes, and what every response carries.

import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct DescriptionRouteTests {
    @Test func modelDescribesTheModel() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(Endpoint.model, socket: server.socket)
            #expect(response.status == 200)
            #expect(try JSONCoding.decode(ModelDescription.self, from: response.body) == server.model)
        }
    }

    @Test func statusShowsTheBackendsCounters() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(Endpoint.status, socket: server.socket)
            let status = try JSONCoding.decode(StatusDescription.self, from: response.body)
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
                let response = try await Curl.send(path, socket: server.socket)
                #expect(response.status == 200)
            }
        }
    }

    @Test func headRespondsAsGetWithoutTheBody() async throws {
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
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, ["-X", "OPTIONS"])
            #expect(response.status == 204)
            #expect(response.headers["allow"] == "POST, OPTIONS")
        }
    }

    @Test func theClientsOwnRequestIDComesBack() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(
                Endpoint.health, socket: server.socket, ["-H", "X-Request-Id: job-17.a"])
            #expect(response.headers["x-request-id"] == "job-17.a")
        }
    }

    @Test func aRequestIDThatIsNotPlainIsReplaced() async throws {
        try await TestServer.run { server in
            for identifier in [String(repeating: "x", count: 129), "a b", "a\"b", "é"] {
                let response = try await Curl.send(
                    Endpoint.health, socket: server.socket, ["-H", "X-Request-Id: \(identifier)"])
                #expect(response.headers["x-request-id"]?.count == 16)
            }
        }
    }

    @Test func datesAreWrittenAsHTTPHasThem() {
        #expect(ResponseHeaders.httpDate(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}
