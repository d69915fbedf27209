// POST /v1/samples with given pixels: what reaches the backend, and every way to be wrong.

import Foundation
import ImageFormats
import InMemoryLogging
import Logging
import PixelCNNAPI
import PixelCNNScheduler
import ServerTestSupport
import Support
import Testing

@testable import PixelCNNServer

@Suite struct GivenTests {
    private let values = (0..<60).map { UInt8($0 * 4) }  // (3, 4, 5)
    private var npy: [UInt8] { NPYArray.encode(values, shape: [3, 4, 5]) }
    private let mask = (0..<20).map { UInt8($0 % 3) }  // (4, 5)

    private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    private func json(_ image: [UInt8], _ rest: String, _ fields: String = "") -> String {
        "{\"given\":{\"image\":\"\(base64(image))\",\(rest)}\(fields)}"
    }

    private func send(_ server: TestServer, _ json: String, _ arguments: [String] = []) async throws -> CurlResponse {
        let directory = try TemporaryDirectory()
        try Data(json.utf8).write(to: URL(fileURLWithPath: directory.file("body")))
        return try await Curl.send(
            Endpoint.samples, socket: server.socket, arguments, json: "@\(directory.file("body"))")
    }

    private func refuse(
        _ server: TestServer, _ json: String, _ status: Int, _ field: String, _ mentions: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let response = try await send(server, json)
        let problem = try JSONCoding.decode(Problem.self, from: response.body)
        #expect((response.status, problem.field) == (status, field), "\(problem)", sourceLocation: sourceLocation)
        #expect(problem.detail.contains(mentions), "\(problem)", sourceLocation: sourceLocation)
    }

    @Test func firstRowsReachTheBackendFromEitherFormat() async throws {
        try await TestServer.run { server in
            let interleaved = (0..<60).map { values[$0 % 3 * 20 + $0 / 3] }
            let png = try PNG.encode(Picture(width: 5, height: 4, channels: 3, pixels: interleaved))
            for (image, rows) in [(npy, 2), (png, 2), (png, 0), (npy, 4)] {
                let response = try await send(server, json(image, "\"rows\":\(rows)", ",\"n\":3"))
                #expect(response.status == 200, "\(response.text)")
                let job = try #require(server.backend.samplingJobs.last)
                #expect((job.count, job.height, job.width) == (3, 4, 5))
                #expect(
                    job.given
                        == GivenPixels(
                            height: 4, width: 5, values: values.map(UInt16.init), kept: .rows(rows)))
            }
        }
    }

    @Test func masksReachTheBackendFromEitherFormat() async throws {
        try await TestServer.run { server in
            let png = try PNG.encode(Picture(width: 5, height: 4, channels: 1, pixels: self.mask))
            for mask in [NPYArray.encode(self.mask, shape: [4, 5]), png] {
                let response = try await send(
                    server, json(npy, "\"mask\":\"\(base64(mask))\""),
                    ["-H", "Accept: text/event-stream"])
                #expect(response.status == 200, "\(response.text)")
                #expect(server.backend.samplingJobs.last?.given?.kept == .mask(self.mask.map { $0 != 0 }))
            }
        }
    }

    @Test func imagesAreAsLargeAsTheGivenOne() async throws {
        try await TestServer.run { server in
            let large = NPYArray.encode([UInt8](repeating: 1, count: 3 * 7 * 2), shape: [3, 7, 2])
            let response = try await send(server, json(large, "\"rows\":7", ",\"width\":2"))
            #expect(response.status == 200)
            let job = try #require(server.backend.samplingJobs.last)
            #expect((job.height, job.width, job.given?.height) == (7, 2, 7))
        }
    }

    @Test func filesThatCannotBeReadAre400() async throws {
        try await TestServer.run { server in
            let png = try PNG.encode(Picture(width: 5, height: 4, channels: 3, pixels: values))
            let rows = "\"rows\":1"
            try await refuse(server, json(Array("hello".utf8), rows), 400, "given.image", "neither a PNG nor")
            try await refuse(server, json([], rows), 400, "given.image", "neither a PNG nor")
            try await refuse(server, json(Array(png.dropLast(20)), rows), 400, "given.image", "PNG")
            try await refuse(server, json(Array(npy.dropLast()), rows), 400, "given.image", "59")
            try await refuse(server, json(npy, "\"mask\":\"AAAA\""), 400, "given.mask", "neither")
            try await refuse(server, json(npy, "\"mask\":\"A\""), 400, "given.mask", "base64")
            #expect(server.backend.samplingJobs.isEmpty)
        }
    }

    @Test func whatDoesNotFitIs422() async throws {
        let limits = RequestLimits(maximumSide: 16, maximumValues: 300)
        try await TestServer.run(colors: 200, limits: limits) { server in
            let rows = "\"rows\":1"
            func array(_ shape: [Int]) -> [UInt8] {
                NPYArray.encode([UInt8](repeating: 9, count: shape.reduce(1, *)), shape: shape)
            }
            func mask(_ shape: [Int]) -> String { "\"mask\":\"\(base64(array(shape)))\"" }
            let sound = array([3, 4, 5])
            try await refuse(server, json(npy, rows), 422, "given.image", "allowed 0 … 199")
            try await refuse(server, json(array([1, 4, 5]), rows), 422, "given.image", "(3, height, width)")
            try await refuse(server, json(array([2, 3, 4, 5]), rows), 422, "given.image", "[2, 3, 4, 5]")
            try await refuse(server, json(array([60]), rows), 422, "given.image", "[60]")
            try await refuse(server, json(array([3, 1, 17]), rows), 422, "given.image", "at most 16")
            try await refuse(
                server, json(sound, rows, ",\"height\":5"), 422, "given.image", "5 × 5, the height")
            try await refuse(server, json(sound, rows, ",\"n\":6"), 422, "n", "300")
            try await refuse(server, json(sound, "\"rows\":5"), 422, "given.rows", "0…4")
            try await refuse(server, json(sound, "\"rows\":-1"), 422, "given.rows", "0…4")
            try await refuse(
                server, json(sound, mask([5, 4])), 422, "given.mask", "4 × 5, as given.image has")
            try await refuse(server, json(sound, mask([1, 4, 5])), 422, "given.mask", "(height, width)")
            #expect(server.backend.samplingJobs.isEmpty)
        }
    }

    @Test func aSmallFileOfManyPixelsIsRefusedByItsHead() async throws {
        try await TestServer.run { server in
            var header = NPYArray.header(.uint8, shape: [3, 1_000_000, 1_000_000])
            header += [0]
            try await refuse(server, json(header, "\"rows\":1"), 422, "given.image", "at most 1024")
            // 1024 × 1024 pixels that are not there: the budget and the file's length are checked first.
            let short = NPYArray.header(.uint8, shape: [3, 1024, 1024])
            try await refuse(server, json(short, "\"rows\":1"), 400, "given.image", "0")
            #expect(await eventually { server.state.memory.bytesInUse == 0 })
        }
    }

    @Test func largePicturesFitTheBodyOfARequest() async throws {
        try await TestServer.run { server in
            // 3 × 1024 × 1024 eight-byte integers: 32 MiB in base64.
            var image = NPYArray.header(.int64, shape: [3, 1024, 1024])
            let start = image.count
            image += [UInt8](repeating: 0, count: 8 * 3 << 20)
            for value in 0..<3 << 20 { image[start + 8 * value] = 200 }
            let response = try await send(
                server, json(image, "\"rows\":1000"), ["-H", "Accept: application/x-npy"])
            #expect(response.status == 200 && response.body.count > 3 << 20, "\(response.status)")
            #expect(server.backend.samplingJobs.last?.given?.values == [UInt16](repeating: 200, count: 3 << 20))
            #expect(await eventually { server.state.memory.bytesInUse == 0 })
        }
    }

    @Test func theRecordNamesTheFilesByTheirDigests() async throws {
        try await TestServer.run { server in
            func digest(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } }
            func record(_ id: String) async -> Logger.Metadata? {
                var metadata: Logger.Metadata?
                _ = await eventually {
                    metadata = server.log.entries.map(\.metadata).first {
                        $0["request"] == "\(id)" && $0["outcome"] != nil
                    }
                    return metadata != nil
                }
                return metadata
            }
            _ = try await send(server, json(npy, "\"rows\":3"), ["-H", "X-Request-Id: rows"])
            let rows = await record("rows")
            #expect((rows?["given_image"], rows?["given_rows"]) == ("\(digest(npy))", "3"))
            #expect(rows?["given_mask"] == nil && rows?["height"] == "4")
            let mask = NPYArray.encode(self.mask, shape: [4, 5])
            _ = try await send(
                server, json(npy, "\"mask\":\"\(base64(mask))\""), ["-H", "X-Request-Id: mask"])
            let masked = await record("mask")
            #expect((masked?["given_image"], masked?["given_mask"]) == ("\(digest(npy))", "\(digest(mask))"))
            #expect(masked?["given_rows"] == nil)
        }
    }
}
