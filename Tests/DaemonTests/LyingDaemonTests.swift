// Every command of pixelcnn against a daemon that lies or hangs: it ends, with a status that is documented, leaves no
// file, and writes nothing to a terminal that the terminal would obey.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

/// Commands, and the paths that they use besides the model's.
private struct ClientCommands {
    let directory: TemporaryDirectory

    /// With `DIR` for the folder that all output goes to, and `IN` for an input.
    private static let all: [(path: String, words: String)] = [
        (Endpoint.samples, "sample --seed 1 -o DIR/a.png"),
        (Endpoint.samples, "sample --seed 1 -n 3 -o DIR/a.npy"),
        (Endpoint.samples, "sample --seed 1 -n 3 -o DIR/a.npz"),
        (Endpoint.samples, "sample --seed 1 -n 3 --progress -o DIR/a.png"),
        (Endpoint.samples, "sample --seed 1 -n 3 --progress -o DIR/a.npz"),
        (Endpoint.samples, "sample --seed 1 -n 3 --output-dir DIR/shards"),
        (Endpoint.samples, "complete --seed 1 --rows 2 IN -o DIR/a.npy"),
        (Endpoint.score, "score IN"), (Endpoint.score, "score IN --json"), (Endpoint.score, "score IN -o DIR/a.npy"),
        (Endpoint.model, "model"), (Endpoint.model, "model --json"),
        (Endpoint.status, "status"), (Endpoint.status, "status --json"),
    ]

    init() throws {
        directory = try TemporaryDirectory()
        let shape = SampledImages.Shape(channels: 1, height: 4, width: 4, colors: 256)
        let images = SampledImages(values: [UInt16](repeating: 0, count: 16), shape: shape).npy()
        try Data(images).write(to: URL(fileURLWithPath: directory.file("in.npy")))
    }

    static func of(_ path: String) -> [String] {
        all.filter { $0.path == path || path == "*" || path == Endpoint.model && $0.path != Endpoint.status }
            .map(\.words)
    }

    /// Runs a command; what it has left besides whole files is an issue.
    func run(_ words: String, _ daemon: LyingDaemon, options: String = "--timeout 1 --no-wait") async throws
        -> CommandResult
    {
        let output = directory.file("out")
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: output) }
        var arguments = words.split(separator: " ").map {
            $0.replacingOccurrences(of: "DIR", with: output)
                .replacingOccurrences(of: "IN", with: directory.file("in.npy"))
        }
        let takesWait = !["model", "status"].contains(arguments[0])
        arguments += options.split(separator: " ").map(String.init).filter { takesWait || $0 != "--no-wait" }
        let result = try await Programs.client(arguments, environment: ["PIXELCNN_SOCKET": daemon.socket])
        let files = try FileManager.default.subpathsOfDirectory(atPath: output).filter {
            // What shards there are to be stays known, and they go on from it.
            $0 != "shards" && $0 != "shards/manifest.json" && (result.status != 0 || $0.contains(".tmp-"))
        }
        #expect(files.isEmpty, "\(words): \(files)")
        for text in [result.errors, result.text] {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.allSatisfy { $0 == $0.printable }, "\(words): \(text.debugDescription)")
        }
        return result
    }
}

/// One after the other: all at once, they would have more descriptors open than `Command` allows.
@Suite(.serialized, .timeLimit(.minutes(10))) struct LyingDaemonTests {
    private static let documented: Set<Int32> = [0, 64, 65, 66, 69, 70, 73, 75, 76]
    private static let escape = "\u{1B}]0;title\u{07}\u{1B}[2J\u{9B}31m\u{202E}txt\u{2028}\u{7F}"

    @Test func theTruthIsTaken() async throws {
        let (daemon, commands) = (try LyingDaemon(), try ClientCommands())
        for words in ClientCommands.of("*") {
            let result = try await commands.run(words, daemon)
            #expect(result.status == 0, "\(words): \(result.errors)")
        }
    }

    /// Lies about any response.
    private static let paths = [Endpoint.model, Endpoint.status, Endpoint.samples, Endpoint.score]
    private static let any: [Lie] = paths.flatMap { path in
        [
            Lie("a web page", path) {
                $0 = RawResponse("text/html; charset=utf-8", "<html><body>It works!</body></html>")
            },
            Lie("a web page of the right type", path) { $0.body = Array("<html></html>".utf8) },
            Lie("no type", path) { $0["Content-Type"] = nil },
            Lie("an empty body", path) { $0.body = [] },
            Lie("204", path) {
                $0.start = "HTTP/1.1 204 No Content"
                ($0.body, $0.saysLength) = ([], false)
            },
            Lie("301", path) { $0.start = "HTTP/1.1 301 Moved Permanently" },
            Lie("404", path) { $0.start = "HTTP/1.1 404 Not Found" },
            Lie("600", path) { $0.start = "HTTP/1.1 600 What" },
            Lie("500 with a page", path, [70]) {
                $0 = RawResponse("text/html", "<html>\(escape)</html>")
                $0.start = "HTTP/1.1 500 Internal Server Error"
            },
            Lie("a problem with escape sequences", path, [64]) {
                $0 = RawResponse(
                    MediaTypeName.problem,
                    (try? JSONCoding.encode(Problem(status: 422, title: "x", detail: escape, field: escape))) ?? [])
                $0.start = "HTTP/1.1 422 Unprocessable Content"
            },
            Lie("a problem of 1 MB", path, [64]) {
                $0 = RawResponse(
                    MediaTypeName.problem,
                    "{\"detail\":\"\(String(repeating: "x", count: 1 << 20))\",\"status\":422,\"title\":\"\","
                        + "\"type\":\"\"}")
                $0.start = "HTTP/1.1 422 Unprocessable Content"
            },
            Lie("busy without end", path, [75]) {
                $0.start = "HTTP/1.1 429 Too Many Requests"
                $0["Retry-After"] = "nan"
            },
            Lie("not HTTP", path) { $0.start = "220 mail.example ESMTP" },
            Lie("SSH", path) { $0.start = "SSH-2.0-OpenSSH_9.2" },
            Lie("a head of 1 MB", path) { $0["X"] = String(repeating: "x", count: 1 << 20) },
            Lie("half a body", path, [69]) {
                $0.fields.append(("Content-Length", "\($0.body.count + 100)"))
                $0.saysLength = false
            },
            Lie("bytes behind the body", path, []) { response in
                response.fields.append(("Content-Length", "\(response.body.count)"))
                response.saysLength = false
                response.body += Array(repeating: 0x41, count: 4096)
            },
            Lie("nothing at all", path, [69]) {
                $0 = .silence()
                $0.end = .close
            },
        ]
    }

    @Test(arguments: any) func aResponseThatIsNoneIsRefused(_ lie: Lie) async throws {
        try await self.refuses(lie)
    }

    private func refuses(_ lie: Lie) async throws {
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for words in ClientCommands.of(lie.path) {
            let result = try await commands.run(words, daemon)
            let allowed = lie.statuses.isEmpty ? Self.documented : lie.statuses
            #expect(allowed.contains(result.status), "\(words): \(result.status) \(result.errors)")
            if result.status != 0 {
                #expect(!result.errors.isEmpty && result.errors.utf8.count < 20_000, "\(words): \(result.errors.count)")
            }
        }
    }

    /// The bound of a response is what ends it; arrays may be large.
    @Test(arguments: [Endpoint.model, Endpoint.status]) func aBodyWithoutEndIsNotRead(_ path: String) async throws {
        try await refuses(
            Lie("a body without end", path) {
                $0.saysLength = false
                $0.body = [UInt8](repeating: 0x20, count: 1 << 20)
                $0.end = .repeat
            })
    }

    // MARK: - JSON

    /// Each member missing, of another type, and far out of range.
    private static func memberLies(_ path: String, _ value: some Encodable) throws -> [Lie] {
        let object = try #require(JSONSerialization.jsonObject(with: Data(JSONCoding.encode(value))) as? [String: Any])
        let values = [
            nil, "null", "\"x\"", "-1", "0", "0.5", "4611686018427387904", "9223372036854775807",
            "18446744073709551615", "1e308", "1e999", "NaN", "[]", "{}", "true", "\"\\u001b[2J\"", "[\"\\u001b[2J\"]",
        ]
        func replacing(_ name: String, _ json: String?, in object: [String: Any]) throws -> [UInt8] {
            var object = object
            object[name] = json == nil ? nil : "REPLACED"
            let text = String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
            return Array(text.replacingOccurrences(of: "\"REPLACED\"", with: json ?? "").utf8)
        }
        var lies: [Lie] = []
        for name in object.keys.sorted() {
            for json in values {
                let body = try replacing(name, json, in: object)
                lies.append(Lie("\(name) \(json ?? "missing")", path, []) { $0.body = body })
            }
        }
        guard let limits = object["limits"] as? [String: Any] else { return lies }
        for name in limits.keys.sorted() {
            for json in values {
                var changed = object
                changed["limits"] = "REPLACED"
                let inner = String(decoding: try replacing(name, json, in: limits), as: UTF8.self)
                let outer = String(decoding: try JSONSerialization.data(withJSONObject: changed), as: UTF8.self)
                let body = Array(outer.replacingOccurrences(of: "\"REPLACED\"", with: inner).utf8)
                lies.append(Lie("limits.\(name) \(json ?? "missing")", path, []) { $0.body = body })
            }
        }
        return lies
    }

    @Test func membersOfTheModelThatCannotBeTrapNothing() async throws {
        let (daemon, commands) = (try LyingDaemon(), try ClientCommands())
        for lie in try Self.memberLies(Endpoint.model, LyingDaemon.model) {
            daemon.tell(lie)
            for words in ["model", "sample --seed 1 -n 3 --progress -o DIR/a.png", "score IN -o DIR/a.npy"] {
                let result = try await commands.run(words, daemon)
                #expect(Self.documented.contains(result.status), "\(words), \(lie.name): \(result.status)")
            }
        }
    }

    @Test func membersOfTheStatusThatCannotBeTrapNothing() async throws {
        let (daemon, commands) = (try LyingDaemon(), try ClientCommands())
        let status = StatusDescription(
            state: .ready, requestsInFlight: 0, requestsQueued: 0, imagesInFlight: 0, imagesQueued: 0,
            imagesCompleted: 1, valuesDrawn: 16, threads: 1, uptimeSeconds: 2, processIdentifier: 3)
        for lie in try Self.memberLies(Endpoint.status, status) {
            daemon.tell(lie)
            let result = try await commands.run("status", daemon)
            #expect(Self.documented.contains(result.status), "\(lie.name): \(result.status)")
        }
    }

    /// A model of which something is changed.
    private static func model(
        _ name: String, _ statuses: Set<Int32> = [76], _ change: @Sendable @escaping (inout ModelDescription) -> Void
    ) -> Lie {
        Lie(name, Endpoint.model, statuses) { response in
            var model = LyingDaemon.model
            change(&model)
            response.body = (try? JSONCoding.encode(model)) ?? []
        }
    }

    @Test(arguments: [
        model("threads") { $0.threads = 1 << 62 }, model("no threads") { $0.threads = 0 },
        model("labels") { $0.labels = 1 << 62 }, model("labels below 0") { $0.labels = -1 },
        model("max_side 0") { $0.limits.maximumSide = 0 }, model("max_side") { $0.limits.maximumSide = .max },
        model("max_images 0") { $0.limits.maximumImages = 0 }, model("max_values") { $0.limits.maximumValues = .min },
        model("max_body") { $0.limits.maximumBodyBytes = -5 }, model("height") { $0.height = 1 << 62 },
        model("large images") { ($0.channels, $0.height, $0.width) = (65_536, 65_536, 65_536) },
        model("colors") { $0.colors = 1 }, model("names") { $0.labelNames = ["a"] },
        model("a digest that is none") { $0.sha256 = "/etc/passwd" },
    ])
    func aModelThatCannotBeIs76(_ lie: Lie) async throws { try await refuses(lie) }

    @Test func classNamesAndPathsThatATerminalWouldObeyAreShownEscaped() async throws {
        let daemon = try LyingDaemon(
            Self.model("escape sequences", []) {
                ($0.labels, $0.labelNames, $0.file, $0.warnings) = (2, [Self.escape, "b"], Self.escape, [Self.escape])
            })
        let commands = try ClientCommands()
        let table = try await commands.run("model", daemon)
        #expect(table.status == 0 && table.text.contains("\\u{1b}]0;title\\u{7}"), "\(table.text)")
        let json = try await commands.run("model --json", daemon)
        let model = try JSONCoding.decode(ModelDescription.self, from: json.output)
        #expect(model.labelNames == [Self.escape, "b"] && model.file == Self.escape)
        let sample = try await commands.run("sample -o DIR/a.png", daemon)
        #expect(sample.status == 64 && sample.errors.contains("\\u{202e}"), "\(sample.errors)")
    }

    // MARK: - Arrays, streams and scores

    private static func stream(
        _ name: String, _ statuses: Set<Int32> = [76], _ events: @Sendable @escaping ([UInt8]) -> [UInt8]
    ) -> Lie {
        Lie(name, Endpoint.samples, statuses) { response in
            guard response["Content-Type"] == MediaTypeName.eventStream else { return }
            response.body = events(response.body)
        }
    }

    private static func event(_ name: String, _ data: String) -> [UInt8] {
        Array("event: \(name)\ndata: \(data)\n\n".utf8)
    }

    private static func image(_ index: String, _ shape: [Int], _ value: UInt8 = 0) -> [UInt8] {
        let npy = Data(NPYArray.encode([UInt8](repeating: value, count: shape.reduce(1, *)), shape: shape))
        return event("image", "{\"index\":\(index),\"npy\":\"\(npy.base64EncodedString())\"}")
    }

    @Test(arguments: [
        stream("nothing") { _ in [] },
        stream("done at once") { _ in event("done", "{\"n\":2,\"seed\":1,\"first_index\":0}") },
        stream("cut off") { Array($0.dropLast(40)) },
        stream("a count past every sum") {
            event("progress", "{\"done\":9223372036854775807,\"total\":32,\"images_done\":9223372036854775807}") + $0
        },
        stream("a count below 0") { event("progress", "{\"done\":-1,\"total\":32,\"images_done\":0}") + $0 },
        stream("a number that is none") { event("progress", "{\"done\":NaN,\"total\":32,\"images_done\":0}") + $0 },
        stream("progress without members") { event("progress", "{}") + $0 },
        stream("progress that is a page") { event("progress", "<html>") + $0 },
        stream("progress in UTF-16") { event("progress", "\u{FEFF}{}") + $0 },
        stream("an image of another index") { image("77", [1, 4, 4]) + $0 },
        stream("an image below the first") { image("-1", [1, 4, 4]) + $0 },
        stream("an image past every index") { image("18446744073709551615", [1, 4, 4]) + $0 },
        stream("an image of another shape") { image("0", [1, 4, 5]) + $0 },
        stream("an image twice") { image("0", [1, 4, 4]) + $0 },
        stream("an image that is no array") { event("image", "{\"index\":0,\"npy\":\"PGh0bWw+\"}") + $0 },
        stream("an image that is no base64") { event("image", "{\"index\":0,\"npy\":\"%%%\"}") + $0 },
        stream("an image without anything") { event("image", "{\"index\":0}") + $0 },
        stream("a row past the last") {
            event("row", "{\"index\":0,\"row\":4,\"dtype\":\"|u1\",\"values\":\"AAAAAA==\"}") + $0
        },
        stream("a row below 0") {
            event("row", "{\"index\":0,\"row\":-1,\"dtype\":\"|u1\",\"values\":\"AAAAAA==\"}") + $0
        },
        stream("a short row") { event("row", "{\"index\":0,\"row\":0,\"dtype\":\"|u1\",\"values\":\"AA==\"}") + $0 },
        stream("a row of another type") {
            event("row", "{\"index\":0,\"row\":0,\"dtype\":\"<u2\",\"values\":\"AAAAAA==\"}") + $0
        },
        stream("done of another seed") {
            Array($0.dropLast(60)) + event("done", "{\"n\":2,\"seed\":7,\"first_index\":0}")
        },
        stream("more behind done") { $0 + event("progress", "{\"done\":0,\"total\":32,\"images_done\":0}") },
        stream("an error that is a success") {
            _ in event("error", "{\"status\":200,\"title\":\"\",\"type\":\"\",\"detail\":\"fine\"}")
        },
        stream("an error that is none") { _ in event("error", "{\"status\":\"x\"}") },
        stream("an error with escape sequences", [70]) { _ in
            event("error", "{\"status\":500,\"title\":\"\",\"type\":\"\",\"detail\":\"\\u001b[2J\\u202e\"}")
        },
        stream("a line of 4 MB") { Array("data: \(String(repeating: "x", count: 4 << 20))".utf8) + $0 },
        stream("events that nobody knows", [0]) { event("\u{1B}[2J", "\u{1B}[2J") + $0 },
    ])
    func aStreamThatCannotBeIsRefused(_ lie: Lie) async throws {
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for words in ["-o DIR/a.png", "-o DIR/a.npy"] {
            let result = try await commands.run("sample --seed 1 -n 2 --progress \(words)", daemon)
            #expect(lie.statuses.contains(result.status), "\(words): \(result.status) \(result.errors)")
        }
    }

    private static func array(_ name: String, _ bytes: @escaping @Sendable () -> [UInt8]) -> [Lie] {
        [Endpoint.samples, Endpoint.score].map { path in
            Lie(name, path) { response in
                switch response["Content-Type"] {
                case MediaTypeName.npy: response.body = bytes()
                case MediaTypeName.npz: response.body = NPZ.encode([(NPZ.Name.samples, bytes())])
                default: break
                }
            }
        }
    }

    private static let arrays =
        array("a PNG") { [0x89] + Array("PNG\r\n".utf8) }
        + array("other images") { NPYArray.encode([UInt8](repeating: 0, count: 30), shape: [1, 1, 5, 6]) }
        + array("more images") { NPYArray.encode([UInt8](repeating: 0, count: 64), shape: [4, 1, 4, 4]) }
        + array("another type") { NPYArray.encode([UInt16](repeating: 0, count: 16), shape: [1, 1, 4, 4]) }
        + array("a header alone") { NPYArray.header(.uint8, shape: [1, 1, 4, 4]) }
        + array("no number") { NPYArray.encode([Float](repeating: .nan, count: 16), shape: [1, 1, 4, 4]) }
        + array("probabilities above 1") { NPYArray.encode([Float](repeating: 5, count: 16), shape: [1, 1, 4, 4]) }

    @Test(arguments: arrays) func anArrayThatCannotBeIs76(_ lie: Lie) async throws {
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for words in ClientCommands.of(lie.path) where words.contains("DIR") && !words.contains("--progress") {
            let result = try await commands.run(words, daemon)
            #expect(lie.statuses.contains(result.status), "\(words): \(result.status) \(result.errors)")
        }
    }

    /// Archives of two images at once, and of one in each event; `archive` makes them of the arrays' extents.
    private static func archive(_ name: String, _ archive: @escaping @Sendable ([Int]) -> [UInt8]) -> Lie {
        Lie(name, Endpoint.samples) { response in
            if response["Content-Type"] == MediaTypeName.npz {
                response.body = archive([2, 1, 4, 4])
            } else {
                let npz = Data(archive([1, 4, 4])).base64EncodedString()
                response.body = event("image", "{\"index\":0,\"npz\":\"\(npz)\"}") + response.body
            }
        }
    }

    /// The same of black images, and whatever else.
    private static func blackImages(
        _ name: String, _ arrays: @escaping @Sendable ([Int]) -> [(name: String, npy: [UInt8])]
    ) -> Lie {
        archive(name) { extents in NPZ.encode([(NPZ.Name.samples, black(extents))] + arrays(extents)) }
    }

    private static func black(_ extents: [Int]) -> [UInt8] {
        NPYArray.encode([UInt8](repeating: 0, count: extents.reduce(1, *)), shape: extents)
    }

    private static func floats(_ extents: [Int], _ value: Float = -1) -> [UInt8] {
        NPYArray.encode([Float](repeating: value, count: extents.reduce(1, *)), shape: extents)
    }

    private static let archives: [Lie] = [
        blackImages("no log_prob") { _ in [] },
        archive("no samples") { NPZ.encode([(NPZ.Name.logProb, floats($0))]) },
        archive("no array") { _ in NPZ.encode([]) },
        blackImages("log_prob of another shape") { [(NPZ.Name.logProb, floats($0.dropLast() + [5]))] },
        blackImages("log_prob of one image more") { [(NPZ.Name.logProb, floats([$0[0] + 1] + $0.dropFirst()))] },
        blackImages("log_prob of sums") { [(NPZ.Name.logProb, floats([$0[0]]))] },
        blackImages("log_prob of integers") { [(NPZ.Name.logProb, black($0))] },
        blackImages("log_prob that is no number") { [(NPZ.Name.logProb, floats($0, .nan))] },
        blackImages("log_prob of more than certainty") { [(NPZ.Name.logProb, floats($0, 1))] },
        blackImages("log_q of another shape") { [(NPZ.Name.logProb, floats($0)), (NPZ.Name.logQ, floats([16]))] },
        blackImages("log_q that is no number") { [(NPZ.Name.logProb, floats($0)), (NPZ.Name.logQ, floats($0, .nan))] },
        blackImages("log_prob that is a page") { _ in [(NPZ.Name.logProb, Array("<html></html>".utf8))] },
        blackImages("a header of log_prob alone") { [(NPZ.Name.logProb, NPYArray.header(.float32, shape: $0))] },
        archive("an archive cut off") { extents in
            Array(NPZ.encode([(NPZ.Name.samples, black(extents)), (NPZ.Name.logProb, floats(extents))]).dropLast(30))
        },
        archive("an archive of which a bit is wrong") { extents in
            var npz = NPZ.encode([(NPZ.Name.samples, black(extents)), (NPZ.Name.logProb, floats(extents))])
            npz[npz.count / 2] ^= 1
            return npz
        },
    ]

    @Test(arguments: archives) func anArchiveThatCannotBeIs76(_ lie: Lie) async throws {
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for options in ["", "--progress "] {
            let result = try await commands.run("sample --seed 1 -n 2 \(options)-o DIR/a.npz", daemon)
            #expect(lie.statuses.contains(result.status), "\(options): \(result.status) \(result.errors)")
            #expect(result.errors.contains("is not what pixelcnn"), "\(result.errors)")
        }
    }

    @Test(arguments: [
        "{\"bits_per_dim\":[],\"mean_bits_per_dim\":1}", "{\"bits_per_dim\":[1,2],\"mean_bits_per_dim\":1}",
        "{\"bits_per_dim\":[-7],\"mean_bits_per_dim\":1}", "{\"bits_per_dim\":[1e999],\"mean_bits_per_dim\":1}",
        "{\"bits_per_dim\":[1e308],\"mean_bits_per_dim\":1}", "{\"bits_per_dim\":[NaN],\"mean_bits_per_dim\":1}",
    ])
    func scoresThatCannotBeAre76(_ json: String) async throws {
        let lie = Lie(json, Endpoint.score) { $0.body = Array(json.utf8) }
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for words in ["score IN", "score IN --json"] {
            #expect(try await commands.run(words, daemon).status == 76, "\(words)")
        }
    }

    @Test func imagesOfAnotherSeedAre76() async throws {
        let lie = Lie("seed", Endpoint.samples) { $0[HeaderName.seed] = "7" }
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for words in ClientCommands.of(Endpoint.samples) {
            #expect(try await commands.run(words, daemon).status == 76, "\(words)")
        }
    }

    // MARK: - Silence

    private static let silences = [
        Lie("at once", "*", [69]) { $0 = .silence() },
        Lie("after half a head", "*", [69]) { $0 = .silence(after: "HTTP/1.1 200 OK\r\nContent-Type") },
        Lie("in the middle of the body", "*", [69]) { response in
            response.fields.append(("Content-Length", "\(response.body.count + 100)"))
            response.saysLength = false
            response.end = .hold
        },
    ]

    /// A daemon that has accepted the connection and says nothing, at any point of a response.
    @Test(arguments: silences) func silenceEndsWith69(_ lie: Lie) async throws {
        let (daemon, commands) = (try LyingDaemon(lie), try ClientCommands())
        for words in ClientCommands.of("*") {
            let result = try await commands.run(words, daemon, options: "--timeout 0.3 --no-wait")
            #expect(result.status == 69 && result.errors.contains("said nothing for"), "\(words): \(result.errors)")
        }
    }

    /// The model is told, and then nothing comes: not even to a health check.
    @Test(arguments: [Endpoint.samples, Endpoint.score])
    func aRequestThatIsNeverAnsweredEndsWith69(_ path: String) async throws {
        let (daemon, commands) = (try LyingDaemon(), try ClientCommands())
        daemon.tell(
            Lie("silence after the model", "*", [69]) { response in
                if String(decoding: response.body, as: UTF8.self).contains("instruction_set") { return }
                response = .silence()
            })
        for words in ClientCommands.of(path) {
            let result = try await commands.run(words, daemon, options: "--timeout 0.3 --no-wait")
            #expect(result.status == 69 && result.errors.contains("said nothing for"), "\(words): \(result.errors)")
        }
    }

    /// It responds to health checks, and to nothing else.
    @Test func aDeadlineIsKeptWhateverTheDaemonDoes() async throws {
        let silence = Lie("silence", Endpoint.samples, [75]) { $0 = .silence() }
        let (daemon, commands) = (try LyingDaemon(silence), try ClientCommands())
        for words in ["sample -o DIR/a.png", "sample --progress -o DIR/a.png", "complete --rows 2 IN -o DIR/a.png"] {
            let result = try await commands.run(
                words + " --deadline 0.2", daemon, options: "--timeout 0.3 --no-wait")
            #expect(result.status == 75 && result.errors.contains("deadline"), "\(words): \(result.errors)")
        }
    }

    @Test func aDaemonThatIsStoppedIs69AndOneThatComputesIsWaitedFor() async throws {
        try await RunningDaemon.run(["--threads", "1"]) { daemon in
            let output = daemon.directory.file("a.npy")
            let long = ["sample", "-n", "64", "--height", "64", "--width", "64", "--seed", "1", "-o", output]
            let result = try await daemon.client(long + ["--timeout", "0.2"])
            #expect(result.status == 0, "\(result.errors)")
            daemon.command.signal(SIGSTOP)
            defer { daemon.command.signal(SIGCONT) }
            for words in [["status"], ["model"], ["sample", "-o", output], ["score", output, "--no-wait"]] {
                let result = try await daemon.client(words + ["--timeout", "0.3"])
                #expect(result.status == 69 && result.errors.contains("said nothing for"), "\(result.errors)")
            }
        }
    }
}
