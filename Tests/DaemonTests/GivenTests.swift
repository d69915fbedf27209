// Pictures completed by a real daemon: what is given stays, the rest is the seed's, and neither the cache, nor other
// requests, nor a reload, nor the way of sending changes a byte.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.timeLimit(.minutes(5))) struct GivenTests {
    private static let height = 8
    private static let width = 8

    /// A picture that no model has drawn, (3, 8, 8).
    private let picture = (0..<3 * Self.height * Self.width).map { UInt8(truncatingIfNeeded: $0 * 37) }
    private var npy: [UInt8] { NPYArray.encode(picture, shape: [3, Self.height, Self.width]) }
    /// Every pixel but those of a square in the middle.
    private let mask = (0..<Self.height * Self.width).map { pixel -> UInt8 in
        (2..<6).contains(pixel / Self.width) && (2..<6).contains(pixel % Self.width) ? 0 : 255
    }

    private func request(_ kept: String, _ fields: String) -> String {
        "{\"given\":{\"image\":\"\(Data(npy).base64EncodedString())\",\(kept)},\(fields)}"
    }

    private var maskField: String {
        let file = NPYArray.encode(self.mask, shape: [Self.height, Self.width])
        return "\"mask\":\"\(Data(file).base64EncodedString())\""
    }

    /// The values in the response to a request, image after image.
    private func draw(_ daemon: RunningDaemon, _ json: String) async throws -> [UInt8] {
        let response = try await Curl.send(
            Endpoint.samples, socket: daemon.socket, ["-H", "Accept: application/x-npy"], json: json)
        try #require(response.status == 200, "\(response.text)")
        let array = try NPYArray(parsing: response.body)
        return try array.integers(as: UInt8.self, in: 0...255)
    }

    /// Whether the pixels where `isKept` are those of the picture, in every image.
    private func isKept(_ values: [UInt8], _ isKept: (_ pixel: Int) -> Bool) -> Bool {
        !values.isEmpty
            && values.indices.allSatisfy { i in
                !isKept(i % (Self.height * Self.width)) || values[i] == picture[i % picture.count]
            }
    }

    private func write(_ bytes: [UInt8], _ name: String, _ directory: TemporaryDirectory) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: directory.file(name)))
        return directory.file(name)
    }

    @Test func whatIsGivenStaysAndTheRestIsDrawn() async throws {
        try await RunningDaemon.run { daemon in
            for rows in [0, 1, 5, 8] {
                let values = try await draw(daemon, request("\"rows\":\(rows)", "\"n\":3,\"seed\":1"))
                #expect(values.count == 3 * picture.count)
                #expect(isKept(values) { $0 / Self.width < rows })
                let size = picture.count
                #expect((values.prefix(size) == values.suffix(size)) == (rows == 8), "\(rows) rows")
                if rows == 0 { #expect(try await draw(daemon, "{\"n\":3,\"seed\":1}") == values) }
            }
            let masked = try await draw(daemon, request(maskField, "\"n\":3,\"seed\":1"))
            #expect(isKept(masked) { mask[$0] != 0 })
            #expect(!isKept(masked) { mask[$0] == 0 })
        }
    }

    @Test func aDrawnPictureIsCompletedToWhatItWas() async throws {
        try await RunningDaemon.run { daemon in
            let drawn = try await Curl.send(
                Endpoint.samples, socket: daemon.socket, json: "{\"seed\":5,\"first_index\":3}")
            let image = Data(drawn.body).base64EncodedString()
            for kept in ["\"rows\":0", "\"rows\":3", "\"rows\":8", maskField] {
                let completed = try await Curl.send(
                    Endpoint.samples, socket: daemon.socket,
                    json: "{\"seed\":5,\"first_index\":3,\"given\":{\"image\":\"\(image)\",\(kept)}}")
                #expect(completed.body == drawn.body, "\(kept.prefix(20))")
            }
        }
    }

    /// Cold, warm, in another order, after a reload, after a restart, without a cache: the same bytes.
    @Test func nothingButTheRequestDecidesTheBytes() async throws {
        let requests = ["\"rows\":3", "\"rows\":6", maskField, "\"rows\":8"].map {
            request($0, "\"n\":5,\"seed\":11,\"temperature\":0.9,\"top_p\":0.95")
        }
        func responses(_ daemon: RunningDaemon, order: [Int]) async throws -> [[UInt8]] {
            var responses = [[UInt8]](repeating: [], count: requests.count)
            for i in order { responses[i] = try await draw(daemon, requests[i]) }
            return responses
        }
        var first: [[UInt8]] = []
        try await RunningDaemon.run { daemon in
            first = try await responses(daemon, order: [0, 1, 2, 3])
            let cold = try #require(await daemon.status()).prefixCache
            #expect(try await responses(daemon, order: [0, 1, 2, 3]) == first)
            #expect(try #require(await daemon.status()).prefixCache.hits > cold.hits)
            daemon.command.signal(SIGHUP)
            #expect(await eventually { daemon.command.errors.contains("Reloaded: ") })
            #expect(try await responses(daemon, order: [3, 1, 0, 2]) == first)
        }
        for options in [["--threads", "1"], ["--cache-size", "0"]] {
            try await RunningDaemon.run(options) { daemon in
                for order in [[2, 3, 1, 0], [0, 2, 1, 3]] {
                    let again = try await responses(daemon, order: order)
                    #expect(again == first, "\(options), \(order)")
                }
            }
        }
    }

    @Test func aStreamSaysHowManyRowsWereKnown() async throws {
        try await RunningDaemon.run { daemon in
            for (json, expected) in [
                ("{\"seed\":1}", 0), (request("\"rows\":4", "\"n\":1"), 0), (request("\"rows\":4", "\"n\":3"), 12),
                (request("\"rows\":6", "\"n\":1"), 4),
            ] {
                let response = try await Curl.send(
                    Endpoint.samples, socket: daemon.socket, ["-H", "Accept: text/event-stream"], json: json)
                var parser = ServerSentEventParser()
                let last = try #require(try parser.events(in: response.body).last)
                let done = try JSONCoding.decode(DoneEvent.self, from: last.data)
                #expect(done.rowsKnown == expected, "\(json)")
            }
        }
    }

    @Test func completionsAreTheSameOneByOne() async throws {
        try await RunningDaemon.run { daemon in
            for kept in ["\"rows\":4", maskField] {
                let together = try await draw(daemon, request(kept, "\"n\":4,\"seed\":2,\"first_index\":9"))
                var apart: [UInt8] = []
                for index in [9, 10, 11, 12] {
                    apart += try await draw(daemon, request(kept, "\"seed\":2,\"first_index\":\(index)"))
                }
                #expect(apart == together)
            }
        }
    }

    /// Rows that are known are reported of as drawn ones are.
    @Test func anEventStreamReportsPrefilledRowsToo() async throws {
        try await RunningDaemon.run { daemon in
            for kept in ["\"rows\":5", maskField, "\"rows\":8"] {
                let plain = try await draw(daemon, request(kept, "\"n\":3,\"seed\":6"))
                let response = try await Curl.send(
                    Endpoint.samples, socket: daemon.socket, ["-H", "Accept: text/event-stream"],
                    json: request(kept, "\"n\":3,\"seed\":6,\"stream_rows\":true"))
                var parser = ServerSentEventParser()
                let events = try parser.events(in: response.body)
                var reported = [UInt8](repeating: 0, count: plain.count)
                var rows = 0
                for event in events where event.name == SampleEventName.row {
                    let row = try JSONCoding.decode(RowEvent.self, from: event.data)
                    let values = Array(row.values)
                    for (i, value) in values.enumerated() {
                        let channel = Int(row.index) * 3 + i / Self.width
                        reported[(channel * Self.height + row.row) * Self.width + i % Self.width] = value
                    }
                    rows += 1
                }
                #expect(rows == 3 * Self.height && reported == plain)
                #expect(events.count { $0.name == SampleEventName.image } == 3)
                #expect(events.last?.name == SampleEventName.done)
            }
        }
    }

    @Test func whoLeavesACompletionFreesItsImages() async throws {
        try await RunningDaemon.run(["--threads", "1"]) { daemon in
            let side = 300
            let image = NPYArray.encode([UInt8](repeating: 7, count: 3 * side * side), shape: [3, side, side])
            let json = "{\"n\":64,\"given\":{\"rows\":150,\"image\":\"\(Data(image).base64EncodedString())\"}}"
            let body = try write(Array(json.utf8), "body", daemon.directory)
            let curl = try Command(
                "/usr/bin/curl", ["-s", "--unix-socket", daemon.socket, "-d", "@\(body)", "http://x/v1/samples"])
            #expect(await eventually { await daemon.status()?.imagesInFlight == 64 })
            curl.signal(SIGKILL)
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
            _ = try await curl.wait()
            #expect(try await draw(daemon, "{\"seed\":1}").count == 192)
        }
    }

    @Test func classesCompleteTheSameRowsInTheirOwnWay() async throws {
        let model = URL(fileURLWithPath: Programs.model).deletingLastPathComponent()
            .appendingPathComponent("conditional.pt").path
        try await RunningDaemon.run(["--model", model]) { daemon in
            let description = try await daemon.describeModel()
            let values = (0..<3 * 64).map { UInt8($0 % description.colors) }
            let image = Data(NPYArray.encode(values, shape: [3, 8, 8])).base64EncodedString()
            func complete(_ label: String) async throws -> [UInt8] {
                let given = "\"given\":{\"image\":\"\(image)\",\"rows\":4}"
                return try await draw(daemon, "{\(given),\"n\":3,\"seed\":4,\"label\":\(label)}")
            }
            let star = try await complete("\"star\"")
            let circle = try await complete("0")
            #expect(star != circle)
            #expect(try await complete("3") == star)
            #expect(try await complete("\"circle\"") == circle)
            let missing = try await Curl.send(
                Endpoint.samples, socket: daemon.socket, json: "{\"given\":{\"image\":\"\(image)\",\"rows\":4}}")
            #expect(missing.status == 422 && missing.text.contains("label is missing"))
        }
    }

    // MARK: - pixelcnn complete

    @Test func theClientGetsWhatCurlGets() async throws {
        try await RunningDaemon.run { daemon in
            let interleaved = (0..<192).map { picture[$0 % 3 * 64 + $0 / 3] }
            let png = try PNG.encode(Picture(width: 8, height: 8, channels: 3, pixels: interleaved))
            let batch = NPYArray.encode(picture, shape: [1, 3, 8, 8])
            let fields = "\"n\":6,\"seed\":8,\"columns\":2,\"top_k\":40"
            let mask = try write(
                PNG.encode(Picture(width: 8, height: 8, channels: 1, pixels: self.mask)), "mask.png", daemon.directory)
            for (options, kept) in [(["--rows", "5"], "\"rows\":5"), (["--mask", mask], maskField)] {
                let curl = try await Curl.send(
                    Endpoint.samples, socket: daemon.socket, json: request(kept, fields))
                for (name, file) in [("a.png", png), ("a.npy", npy), ("b.npy", batch)] {
                    let path = try write(file, name, daemon.directory)
                    for more in [[], ["--progress"]] {
                        let result = try await daemon.client(
                            ["complete", path, "-n", "6", "--seed", "8", "--columns", "2", "--top-k", "40", "-o", "-"]
                                + options + more)
                        #expect(result.status == 0 && result.output == curl.body, "\(name): \(result.errors)")
                    }
                }
            }
        }
    }

    @Test func everyPartIsGivenThePicture() async throws {
        try await RunningDaemon.run(["--max-images", "2"]) { daemon in
            let path = try write(npy, "a picture.npy", daemon.directory)
            let file = daemon.directory.file("a.npy")
            let drawn = try await daemon.client(["complete", "--rows", "6", path, "-n", "5", "-o", file])
            #expect(drawn.status == 0 && drawn.errors.contains("sending 3 parts"), "\(drawn.errors)")
            let first = try bytes(ofFile: file)
            let values = try NPYArray(parsing: first).integers(as: UInt8.self, in: 0...255)
            #expect(values.count == 5 * 192 && isKept(values) { $0 / Self.width < 6 })
            // What it says draws the same again, in a shell.
            let command = try #require(drawn.errors.components(separatedBy: "draw again with: ").last)
            let again = try await Command.run(
                "/bin/sh", ["-c", command],
                environment: ["PIXELCNN_SOCKET": daemon.socket, "PATH": "\(Programs.folder):/usr/bin:/bin"])
            #expect(again.status == 0, "\(again.errors)")
            #expect(try bytes(ofFile: file) == first)
        }
    }

    @Test func aRecordAndTheFilesDrawTheSameAgain() async throws {
        try await RunningDaemon.run { daemon in
            let path = try write(npy, "picture.npy", daemon.directory)
            let drawn = try await daemon.client(["complete", "--rows", "3", path, "-n", "2", "-o", "-"])
            var line: Substring?
            #expect(
                await eventually {
                    line = daemon.command.errors.split(separator: "\n").first { $0.contains("given_rows=3") }
                    return line != nil
                })
            let digest = npy.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
            #expect(line?.contains("given_image=\(digest) ") == true)
            let seed = try #require(line?.split(separator: " ").first { $0.hasPrefix("seed=") }).dropFirst(5)
            let again = try await daemon.client(
                ["complete", "--rows", "3", path, "-n", "2", "--seed", "\(seed)", "-o", "-"])
            #expect(again.output == drawn.output && !drawn.output.isEmpty)
        }
    }

    @Test func errorsNameTheFileOrTheOption() async throws {
        try await RunningDaemon.run(["--max-side", "16"]) { daemon in
            let directory = daemon.directory
            let picture = try write(npy, "picture.npy", directory)
            let text = try write(Array("hello".utf8), "hello.png", directory)
            let gray = try write(
                PNG.encode(Picture(width: 8, height: 8, channels: 1, pixels: self.mask)), "gray.png", directory)
            let wide = try write(
                NPYArray.encode([UInt8](repeating: 0, count: 3 * 17), shape: [3, 1, 17]), "wide.npy", directory)
            let levels = try write(
                NPYArray.encode([UInt16](repeating: 256, count: 192), shape: [3, 8, 8]), "levels.npy", directory)
            let small = try write(NPYArray.encode([1, 0] as [UInt8], shape: [1, 2]), "small.npy", directory)
            let usage = SystemExit.usage.rawValue
            let data = SystemExit.dataError.rawValue
            let cases: [([String], Int32, [String])] = [
                ([picture], usage, ["--rows and --mask"]),
                ([picture, "--rows", "9"], usage, ["--rows is 9", "8 rows"]),
                ([picture, "--rows", "1", "--mask", gray], usage, ["--rows and --mask"]),
                ([picture, "--rows", "-1"], usage, ["--rows"]),
                (["/no/such.png", "--rows", "1"], SystemExit.noInput.rawValue, ["/no/such.png", "No such file"]),
                ([text, "--rows", "1"], data, [text, "not an image that is read"]),
                ([wide, "--rows", "1"], data, [wide, "1 × 17", "16"]),
                ([levels, "--rows", "1"], data, [levels, "256"]),
                ([picture, "--mask", small], data, [small, "1 × 2", "8 × 8"]),
                ([picture, "--mask", picture], data, [picture, "(height, width)"]),
                ([picture, "--rows", "1", "--label", "3"], usage, ["unconditional"]),
            ]
            for (arguments, status, mentions) in cases {
                let output = directory.file("x.png")
                let result = try await daemon.client(["complete", "-o", output] + arguments)
                #expect(result.status == status, "\(arguments): \(result.errors)")
                for text in mentions { #expect(result.errors.contains(text), "\(result.errors)") }
                #expect(!FileManager.default.fileExists(atPath: output))
            }
        }
    }
}
