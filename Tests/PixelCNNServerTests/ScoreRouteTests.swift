// POST /v1/score: NPY and PNG in, JSON and NPY out.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct ScoreRouteTests {
    private func send(
        _ server: TestServer, _ body: [UInt8], type: String = MediaTypeName.npy, _ arguments: [String] = []
    ) async throws -> CurlResponse {
        let directory = try TemporaryDirectory()
        try Data(body).write(to: URL(fileURLWithPath: directory.file("body")))
        return try await Curl.send(
            Endpoint.score, socket: server.socket,
            ["-H", "Content-Type: \(type)", "--data-binary", "@\(directory.file("body"))"] + arguments)
    }

    private let values = (0..<120).map { UInt8($0) }

    @Test func npyBatchesAreScoredImageByImage() async throws {
        try await TestServer.run { server in
            let response = try await send(server, NPYArray.encode(values, shape: [2, 3, 4, 5]))
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "application/json")
            let scores = try JSONCoding.decode(ScoreResponse.self, from: response.body)
            let expected = ScoreResponse(logProbabilities: values.map { -Float($0) / 16 }, count: 2)
            #expect(scores == expected)
            let job = try #require(server.backend.scoringJobs.first)
            #expect((job.count, job.height, job.width) == (2, 4, 5))
            #expect(job.values == values.map(UInt16.init))
        }
    }

    /// More images than one may draw at once; the queue is full meanwhile.
    @Test func aStackIsScoredInBatches() async throws {
        try await TestServer.run(.fullOnce, limits: RequestLimits(maximumImages: 3)) { server in
            let body = NPYArray.encode(values, shape: [8, 3, 1, 5])
            let response = try await send(server, body)
            #expect(response.status == 200, "\(response.text)")
            let scores = try JSONCoding.decode(ScoreResponse.self, from: response.body)
            #expect(scores == ScoreResponse(logProbabilities: values.map { -Float($0) / 16 }, count: 8))
            #expect(server.backend.scoringJobs.map(\.count) == [3, 3, 3, 2])
            #expect(await eventually { server.memory.bytesInUse == 0 })
        }
    }

    @Test func onlyTheValuesOfAStackAreBounded() async throws {
        try await TestServer.run(limits: RequestLimits(maximumImages: 3, maximumValues: 119)) { server in
            let response = try await send(server, NPYArray.encode(self.values, shape: [8, 3, 1, 5]))
            #expect(response.status == 422)
            #expect(response.text.contains("at most 119 values in one request"))
        }
    }

    @Test func threeDimensionsAreOneImageOfAnySize() async throws {
        try await TestServer.run { server in
            let response = try await send(server, NPYArray.encode(values, shape: [3, 8, 5]))
            #expect(try JSONCoding.decode(ScoreResponse.self, from: response.body).bitsPerDimension.count == 1)
            let job = try #require(server.backend.scoringJobs.first)
            #expect((job.count, job.height, job.width) == (1, 8, 5))
        }
    }

    @Test func logProbabilitiesComeAsFloats() async throws {
        try await TestServer.run { server in
            let response = try await send(
                server, NPYArray.encode(values, shape: [2, 3, 4, 5]), ["-H", "Accept: application/x-npy"])
            #expect(response.headers["content-type"] == "application/x-npy")
            let array = try NPYArray(parsing: response.body)
            #expect(array.shape == [2, 3, 4, 5])
            #expect(array.floats() == values.map { -Float($0) / 16 })
        }
    }

    @Test func aPNGIsScoredAsItsPlanarValues() async throws {
        try await TestServer.run { server in
            let picture = Picture(width: 5, height: 4, channels: 3, pixels: (0..<60).map { UInt8($0) })
            let response = try await send(server, try PNG.encode(picture, text: []), type: MediaTypeName.png)
            #expect(response.status == 200)
            let job = try #require(server.backend.scoringJobs.first)
            #expect((job.count, job.height, job.width) == (1, 4, 5))
            let planar: [UInt16] = (0..<3).flatMap { (channel: UInt16) in
                (0..<20).map { (pixel: UInt16) in pixel * 3 + channel }
            }
            #expect(job.values == planar)
        }
    }

    @Test func whatIsNoImageIs400() async throws {
        try await TestServer.run { server in
            let truncated = NPYArray.encode(values, shape: [2, 3, 4, 5]).dropLast()
            for (body, type) in [
                (Array("hello".utf8), MediaTypeName.npy), ([], MediaTypeName.npy),
                (Array(truncated), MediaTypeName.npy),
                (Array("hello".utf8), MediaTypeName.png),
            ] {
                let response = try await send(server, body, type: type)
                #expect(response.status == 400, "\(response.text)")
            }
            #expect(server.backend.scoringJobs.isEmpty)
        }
    }

    @Test func imagesThatDoNotFitTheModelAre422() async throws {
        try await TestServer.run(colors: 100) { server in
            let cases: [([UInt8], String?)] = [
                (NPYArray.encode(self.values, shape: [2, 3, 4, 5]), "values"),
                (NPYArray.encode(self.values, shape: [120]), "shape"),
                (NPYArray.encode(self.values, shape: [2, 4, 3, 5]), "shape"),
                (NPYArray.encode([UInt8](), shape: [0, 3, 4, 5]), "n"),
                (NPYArray.encode([UInt8](), shape: [1, 3, 0, 5]), "height"),
                (NPYArray.encode([Float](repeating: 0, count: 60), shape: [3, 4, 5]), "values"),
            ]
            for (body, field) in cases {
                let response = try await send(server, body)
                #expect(response.status == 422, "\(response.text)")
                #expect(try JSONCoding.decode(Problem.self, from: response.body).field == field)
            }
            #expect(server.backend.scoringJobs.isEmpty)
        }
    }

    @Test func aGrayPictureIsAColourOneWithEqualChannels() async throws {
        try await TestServer.run { server in
            let picture = Picture(width: 2, height: 1, channels: 1, pixels: [1, 2])
            let response = try await send(server, try PNG.encode(picture, text: []), type: MediaTypeName.png)
            #expect(response.status == 200, "\(response.text)")
            #expect(server.backend.scoringJobs.last?.values == [1, 2, 1, 2, 1, 2])
        }
    }

    @Test func picturesPastTheLimitsAreRefusedBeforeTheyAreDecoded() async throws {
        try await TestServer.run(limits: RequestLimits(maximumSide: 16, maximumValues: 300)) { server in
            let large = try PNG.encode(
                Picture(width: 17, height: 16, channels: 3, pixels: [UInt8](repeating: 9, count: 17 * 16 * 3)), text: []
            )
            let many = try PNG.encode(
                Picture(width: 16, height: 16, channels: 3, pixels: [UInt8](repeating: 9, count: 768)), text: [])
            for (body, field) in [(large, "width"), (many, "n")] {
                let response = try await send(server, body, type: MediaTypeName.png)
                #expect(response.status == 422)
                #expect(try JSONCoding.decode(Problem.self, from: response.body).field == field)
            }
            #expect(server.backend.scoringJobs.isEmpty)
        }
    }

    @Test func bodiesPast1MiBAreInvitedToContinue() async throws {
        try await TestServer.run { server in
            let values = [UInt8](repeating: 1, count: 600 * 3 * 32 * 32)
            let response = try await send(
                server, NPYArray.encode(values, shape: [600, 3, 32, 32]),
                ["-H", "Expect: 100-continue", "--expect100-timeout", "3600"])
            #expect(response.status == 200)
            #expect(server.backend.scoringJobs.first?.count == 600)
        }
    }
}
