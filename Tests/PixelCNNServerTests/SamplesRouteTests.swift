// POST /v1/samples: what the backend is given, and what comes back.

import ImageFormats
import ImageImport
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct SamplesRouteTests {
    private let npy = ["-H", "Accept: application/x-npy"]

    @Test func anEmptyBodyGivesOneImageOfTheModelsSizeAsPNG() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, ["-X", "POST"])
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "image/png")
            let picture = try PNG.decode(response.body)
            #expect((picture.width, picture.height, picture.channels) == (5, 4, 3))
            let job = try #require(server.backend.samplingJobs.first)
            #expect((job.count, job.firstIndex, job.height, job.width) == (1, 0, 4, 5))
            #expect(job.parameters == .init(temperature: 1, topK: nil, topP: nil))
            #expect(response.headers["pixelcnn-seed"] == "\(job.seed)")
            #expect(job.seed < 1 << 53)
        }
    }

    @Test func everyFieldReachesTheBackend() async throws {
        try await TestServer.run { server in
            let json = """
                {"n":3,"seed":18446744073709551615,"first_index":"18446744073709551613","height":2,"width":6,\
                "temperature":0.5,"top_k":7,"top_p":0.25,"columns":2}
                """
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: json)
            #expect(response.status == 200)
            #expect(response.headers["pixelcnn-seed"] == "18446744073709551615")
            let job = try #require(server.backend.samplingJobs.first)
            #expect((job.count, job.seed, job.firstIndex) == (3, .max, .max - 2))
            #expect((job.height, job.width) == (2, 6))
            #expect(job.parameters == .init(temperature: 0.5, topK: 7, topP: 0.25))
            let picture = try PNG.decode(response.body)
            #expect((picture.width, picture.height) == (12, 4))
        }
    }

    @Test func npyHoldsTheBackendsValuesAsBytes() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(
                Endpoint.samples, socket: server.socket, self.npy, json: "{\"n\":2,\"seed\":5}")
            #expect(response.headers["content-type"] == "application/x-npy")
            let array = try NPYArray(parsing: response.body)
            #expect(array.shape == [2, 3, 4, 5])
            let job = try #require(server.backend.samplingJobs.first)
            #expect(try array.integers(as: UInt16.self, in: 0...255) == server.backend.values(of: job))
            // One byte a value.
            #expect(response.body.suffix(120).map(UInt16.init) == server.backend.values(of: job))
        }
    }

    @Test func npyHasTwoBytesAValueForMoreThan256() async throws {
        try await TestServer.run(channels: 2, colors: 1024) { server in
            // Nothing but NPY can be had, so that is what `*/*` gets.
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"seed\":1000}")
            #expect(response.headers["content-type"] == "application/x-npy")
            let array = try NPYArray(parsing: response.body)
            #expect(array.shape == [1, 2, 4, 5])
            let job = try #require(server.backend.samplingJobs.first)
            #expect(try array.integers(as: UInt16.self, in: 0...1023) == server.backend.values(of: job))
        }
    }

    private func floats(_ file: NPZFile, _ name: String) throws -> [Float] {
        let array = try NPYArray(parsing: file.array(name))
        #expect(array.shape == [2, 3, 4, 5] && array.elementType == .float32)
        return array.floats()
    }

    @Test(arguments: ["*/*", "application/x-npz", "image/png, application/x-npz;q=0.1"])
    func logProbabilitiesComeInAnArchive(accept: String) async throws {
        try await TestServer.run { server in
            for (fields, isChanged) in [("", false), (",\"temperature\":0.5", true), (",\"top_k\":256", false)] {
                let response = try await Curl.send(
                    Endpoint.samples, socket: server.socket, ["-H", "Accept: \(accept)"],
                    json: "{\"n\":2,\"seed\":5,\"log_prob\":true\(fields)}")
                #expect(response.headers["content-type"] == "application/x-npz")
                let file = try NPZFile(response.body)
                #expect(file.names == ["samples", "log_prob"] + (isChanged ? ["log_q"] : []))
                let job = try #require(server.backend.samplingJobs.last)
                #expect(job.measuresDraws)
                let values = server.backend.values(of: job)
                let samples = try NPYArray(parsing: file.array("samples"))
                #expect(try samples.shape == [2, 3, 4, 5] && samples.integers() == values.map(Int.init))
                #expect(try floats(file, "log_prob") == values.map { -Float($0) / 16 })
                if isChanged { #expect(try floats(file, "log_q") == values.map { -Float($0) / 32 }) }
            }
        }
    }

    @Test func thePNGSaysHowToDrawItAgain() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(
                Endpoint.samples, socket: server.socket, json: "{\"seed\":77,\"first_index\":88}")
            for text in [
                "PixelCNN-Seed\u{0}77", "PixelCNN-First-Index\u{0}88", "PixelCNN-Model\u{0}\(TestServer.sha256)",
                "PixelCNN-Precision\u{0}f32",
                "Software\u{0}pixelcnnd \(Version.current)",
            ] {
                #expect(response.body.firstRange(of: Array(text.utf8)) != nil, "\(text)")
            }
        }
    }

    @Test func theSameRequestGivesTheSameBytes() async throws {
        try await TestServer.run { server in
            let request = "{\"n\":4,\"seed\":3}"
            let first = try await Curl.send(Endpoint.samples, socket: server.socket, json: request)
            let second = try await Curl.send(Endpoint.samples, socket: server.socket, json: request)
            #expect(first.body == second.body)
        }
    }

    @Test func columnsBeyondTheImagesMakeNoEmptyCells() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(
                Endpoint.samples, socket: server.socket, json: "{\"n\":2,\"columns\":9223372036854775807}")
            #expect(try PNG.decode(response.body).width == 10)
        }
    }

    @Test func qualityDecidesBetweenPNGAndNPY() async throws {
        try await TestServer.run { server in
            for (accept, type) in [
                ("image/png;q=0.1, application/x-npy", "application/x-npy"), ("image/*, */*;q=0.1", "image/png"),
                ("application/*", "application/x-npy"), ("*/*", "image/png"),
            ] {
                let response = try await Curl.send(
                    Endpoint.samples, socket: server.socket, ["-H", "Accept: \(accept)"], json: "{}")
                #expect(response.headers["content-type"] == type, "\(accept)")
            }
        }
    }

    @Test func aCharsetParameterIsStillJSON() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(
                Endpoint.samples, socket: server.socket,
                ["-H", "Content-Type: Application/JSON; charset=utf-8", "--data", "{}"])
            #expect(response.status == 200)
        }
    }
}
