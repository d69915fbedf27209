// Every error status, as the real curl sees it: a problem that says what was found and what is allowed.

import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct ErrorResponseTests {
    private func expectProblem(
        _ response: CurlResponse, _ status: Int, field: String? = nil, mentions: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(response.status == status, sourceLocation: sourceLocation)
        #expect(response.headers["content-type"] == "application/problem+json", sourceLocation: sourceLocation)
        #expect(response.headers["pixelcnn-model"] == TestServer.sha256, sourceLocation: sourceLocation)
        #expect(response.headers["pixelcnn-precision"] == "f32", sourceLocation: sourceLocation)
        #expect(response.headers["x-request-id"]?.isEmpty == false, sourceLocation: sourceLocation)
        let problem = try JSONCoding.decode(Problem.self, from: response.body)
        #expect(problem.status == status, sourceLocation: sourceLocation)
        #expect(problem.field == field, sourceLocation: sourceLocation)
        for text in mentions {
            #expect(problem.detail.contains(text), "\(problem.detail)", sourceLocation: sourceLocation)
        }
    }

    @Test func malformedRequestsAre400() async throws {
        try await TestServer.run { server in
            let send = { try await Curl.send(Endpoint.samples, socket: server.socket, json: $0) }
            try expectProblem(await send("{"), 400, mentions: "JSON")
            try expectProblem(await send("{\"n\":1} x"), 400, mentions: "follows")
            try expectProblem(await send("{\"n\":1,\"n\":2}"), 400, mentions: "\"n\"", "twice")
            try expectProblem(await send("{\"sed\":1}"), 400, field: "sed", mentions: "seed")
            try expectProblem(await send("{\"n\":\"1\"}"), 400, field: "n", mentions: "an integer", "\"1\"")
            #expect(server.backend.samplingJobs.isEmpty)
        }
    }

    @Test func valuesOutOfRangeAre422() async throws {
        try await TestServer.run { server in
            let send = { try await Curl.send(Endpoint.samples, socket: server.socket, json: $0) }
            try expectProblem(await send("{\"n\":0}"), 422, field: "n", mentions: "0", "1…4096")
            try expectProblem(await send("{\"top_k\":300}"), 422, field: "top_k", mentions: "300", "1…256")
            try expectProblem(await send("{\"temperature\":1e400}"), 422, field: "temperature")
            try expectProblem(
                await send("{\"seed\":18446744073709551616}"), 422, field: "seed", mentions: "18446744073709551615")
            try expectProblem(
                await send("{\"first_index\":18446744073709551615,\"n\":2}"), 422, field: "first_index")
            try expectProblem(
                await send("{\"stream_rows\":true}"), 422, field: "stream_rows", mentions: "text/event-stream")
            try expectProblem(await send("{\"format\":\"npy\"}"), 422, field: "format", mentions: "npy")
            try expectProblem(await send("{\"deadline_ms\":0}"), 422, field: "deadline_ms", mentions: "1…86400000")
            try expectProblem(await send("{\"label\":1}"), 422, field: "label", mentions: "unconditional")
            let labelled = try await Curl.send(Endpoint.score + "?label=1", socket: server.socket, json: "")
            try expectProblem(labelled, 422, field: "label", mentions: "unconditional")
            #expect(server.backend.samplingJobs.isEmpty)
        }
    }

    @Test func unknownPathsAre404AndNameTheKnown() async throws {
        try await TestServer.run { server in
            try expectProblem(
                await Curl.send("/v1/sample", socket: server.socket), 404, mentions: Endpoint.samples)
            try expectProblem(await Curl.send("/v1", socket: server.socket), 404, mentions: Endpoint.score)
        }
    }

    @Test func wrongMethodsAre405WithAllow() async throws {
        try await TestServer.run { server in
            let get = try await Curl.send(Endpoint.samples, socket: server.socket)
            try expectProblem(get, 405, mentions: "GET", "POST")
            #expect(get.headers["allow"] == "POST, OPTIONS")
            let delete = try await Curl.send(Endpoint.model, socket: server.socket, ["-X", "DELETE"])
            try expectProblem(delete, 405)
            #expect(delete.headers["allow"] == "GET, HEAD, OPTIONS")
        }
    }

    @Test func unacceptableAcceptsAre406() async throws {
        try await TestServer.run { server in
            for accept in ["text/html", "application/pdf", "image/png;q=0"] {
                let response = try await Curl.send(
                    Endpoint.samples, socket: server.socket, ["-H", "Accept: \(accept)"], json: "{}")
                try expectProblem(
                    response, 406, mentions: "image/png", "application/x-npy", "text/event-stream")
            }
            let model = try await Curl.send(Endpoint.model, socket: server.socket, ["-H", "Accept: text/html"])
            try expectProblem(model, 406, mentions: "application/json")
        }
    }

    @Test func anArchiveNeedsLogProbabilitiesAndTheyAnArchive() async throws {
        try await TestServer.run { server in
            for (accept, json) in [("application/x-npz", "{}"), ("image/png", "{\"log_prob\":true}")] {
                let response = try await Curl.send(
                    Endpoint.samples, socket: server.socket, ["-H", "Accept: \(accept)"], json: json)
                try expectProblem(response, 406, mentions: accept, "log_prob", "text/event-stream")
            }
            let format = try await Curl.send(
                Endpoint.samples, socket: server.socket, ["-H", "Accept: text/event-stream"],
                json: "{\"format\":\"npz\"}")
            try expectProblem(format, 422, field: "format", mentions: "log_prob")
            #expect(server.backend.samplingJobs.isEmpty)
        }
    }

    @Test func modelsThatNoPNGShowsAre406ForPNG() async throws {
        try await TestServer.run(colors: 1024) { server in
            let response = try await Curl.send(
                Endpoint.samples, socket: server.socket, ["-H", "Accept: image/png"], json: "{}")
            try expectProblem(response, 406, mentions: "1024")
        }
    }

    @Test func bodiesTooLargeAre413() async throws {
        try await TestServer.run(limits: RequestLimits(maximumBodyBytes: 1000)) { server in
            let directory = try TemporaryDirectory()
            let file = directory.file("large")
            _ = try await Command.run("/usr/bin/truncate", ["-s", "2000000", file])
            let type = ["-H", "Content-Type: application/x-npy", "--data-binary", "@\(file)"]
            try expectProblem(
                await Curl.send(Endpoint.score, socket: server.socket, type), 413, mentions: "1000")
            try expectProblem(
                await Curl.send(Endpoint.score, socket: server.socket, type + ["-H", "Transfer-Encoding: chunked"]),
                413)
        }
    }

    @Test func unknownContentTypesAre415() async throws {
        try await TestServer.run { server in
            let xml = ["--data", "{}", "-H", "Content-Type: text/xml"]
            try expectProblem(
                await Curl.send(Endpoint.samples, socket: server.socket, xml), 415,
                mentions: "text/xml", "application/json")
            try expectProblem(
                await Curl.send(Endpoint.score, socket: server.socket, json: "{}"), 415, mentions: "application/x-npy")
            try expectProblem(
                await Curl.send(Endpoint.score, socket: server.socket, ["-X", "POST"]), 415, mentions: "missing")
        }
    }

    @Test func aFullQueueIs429WithRetryAfter() async throws {
        try await TestServer.run(.full) { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{}")
            try expectProblem(response, 429, mentions: "9 s")
            #expect(response.headers["retry-after"] == "9")
        }
    }

    @Test func aCrowdedQueueRefusesBeforeABodyIsRead() async throws {
        try await TestServer.run(.crowded) { server in
            let id = ["-H", "X-Request-Id: mine"]
            for path in [Endpoint.samples, Endpoint.score] {
                let response = try await Curl.send(path, socket: server.socket, id, json: "no JSON at all")
                try expectProblem(response, 429, mentions: "7 s")
                #expect(response.headers["retry-after"] == "7" && response.headers["x-request-id"] == "mine")
            }
            #expect(server.backend.samplingJobs.isEmpty)
            // A body that has been announced, and never comes.
            for (path, more) in [(Endpoint.samples, "Connection: keep-alive\r\n"), ("\(Endpoint.score)?label=1", "")] {
                try await RawConnection.open(server.socket) { session in
                    try await session.send("POST \(path) HTTP/1.1\r\nHost: x\r\n\(more)Content-Length: 9\r\n\r\n")
                    #expect(try await session.responses(1).hasPrefix("HTTP/1.1 429"))
                }
            }
            #expect(try await Curl.send(Endpoint.samples, socket: server.socket, ["-X", "GET"]).status == 405)
            try await RawConnection.open(server.socket) { session in
                let request = EventStreamTests.request("{}")
                try await session.send(request + request + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await session.responses(3).hasSuffix("ok\n"))
            }
        }
    }

    @Test func requestsThatNoMemoryIsLeftForAre429AndThoseThatAllOfItWouldNotDoAre422() async throws {
        try await TestServer.run(.waiting, maximumRequestBytes: 40_000) { server in
            let backend = server.backend
            let large = { @Sendable in try await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"n\":60}")
            }
            try expectProblem(
                await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"n\":100}"), 422, mentions: "40000")
            let first = Task { try await large() }
            #expect(await eventually { backend.running == 1 })
            #expect(server.memory.bytesInUse > 20_000)
            try expectProblem(await large(), 429, mentions: "memory")
            backend.behaviour = .responding
            #expect(try await first.value.status == 200)
            #expect(await eventually { server.memory.bytesInUse == 0 })
            #expect(try await large().status == 200)
        }
    }

    @Test func aDeadlineThatPassedIs504() async throws {
        try await TestServer.run(.late) { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{}")
            try expectProblem(response, 504, field: "deadline_ms", mentions: "deadline")
        }
    }

    @Test func aStoppedSchedulerIs503WithRetryAfter() async throws {
        try await TestServer.run(.stopped) { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{}")
            try expectProblem(response, 503)
            #expect(response.headers["retry-after"] == "1")
        }
    }

    @Test func internalErrorsAre500AndTellNoSecrets() async throws {
        try await TestServer.run(.broken) { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{}")
            try expectProblem(response, 500)
            #expect(!response.text.contains("secret"))
        }
    }

    @Test func unknownQueryParametersAre400() async throws {
        try await TestServer.run { server in
            try expectProblem(
                await Curl.send(Endpoint.samples + "?n=4", socket: server.socket, json: "{}"), 400, field: "n")
        }
    }
}
