// pixelcnn score with stacks that are larger than a request: the same bytes as one request gives, whatever the daemon's
// limits and whatever happens to it meanwhile; and no partial file.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct ScoreStackTests {

    /// Images of the tiny model's 3 channels of 256 values.
    private func images(_ count: Int, side: Int = 8) -> SampledImages {
        SampledImages(
            values: (0..<count * 3 * side * side).map { UInt16(truncatingIfNeeded: $0 &* 2_654_435_761 >> 11) & 255 },
            shape: .init(channels: 3, height: side, width: side, colors: 256))
    }

    private func write(_ bytes: [UInt8], _ path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private func curl(_ daemon: RunningDaemon, _ file: String, _ type: String) async throws -> [UInt8] {
        let response = try await Curl.send(
            Endpoint.score, socket: daemon.socket,
            ["-H", "Content-Type: \(MediaTypeName.npy)", "-H", "Accept: \(type)", "--data-binary", "@\(file)"])
        #expect(response.status == 200, "\(response.text)")
        return response.body
    }

    @Test(arguments: [[], ["--max-images", "3"], ["--max-values", "600"], ["--max-body", "1024", "--threads", "1"]])
    func anyLimitsGiveTheBytesOfOneRequest(limits: [String]) async throws {
        try await RunningDaemon.run { whole in
            let file = whole.directory.file("images.npy")
            try write(self.images(11).npy(), file)
            let json = try await curl(whole, file, MediaTypeName.json)
            let array = try await curl(whole, file, MediaTypeName.npy)
            let table = try await whole.client(["score", file])
            try await RunningDaemon.run(limits) { daemon in
                #expect(try await scores(daemon.client(["score", file, "--json"]).output) == scores(json))
                let output = daemon.directory.file("lp.npy")
                let written = try await daemon.client(["score", file, "--json", "-o", output, "--progress"])
                #expect(try scores(written.output) == scores(json))
                #expect(written.errors.contains("0/11 images  waiting"), "\(written.errors)")
                #expect(try bytes(ofFile: output) == array)
                #expect(try await daemon.client(["score", file, "-o", "-", "-q"]).output == array)
                #expect(try await daemon.client(["score", file]).output == table.output)
            }
        }
    }

    @Test func typesAndOrdersAreReadInBatchesToo() async throws {
        try await RunningDaemon.run(["--max-images", "2"]) { daemon in
            let images = self.images(5)
            try write(images.npy(), daemon.directory.file("u1.npy"))
            let expected = try await daemon.client(["score", "--json", daemon.directory.file("u1.npy")])
            func file(_ type: String, fortran: Bool, _ data: [UInt8]) -> [UInt8] {
                let order = fortran ? "True" : "False"
                var text = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': (5, 3, 8, 8), }"
                text += String(repeating: " ", count: 117 - text.utf8.count) + "\n"
                return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8) + data
            }
            let big = images.values.flatMap { (value: UInt16) -> [UInt8] in [0, 0, 0, UInt8(value)] }
            var fortran: [UInt8] = []  // the first index runs fastest, then the next
            for x in 0..<8 {
                for y in 0..<8 {
                    for c in 0..<3 {
                        for n in 0..<5 { fortran.append(UInt8(images.values[(n * 3 + c) * 64 + y * 8 + x])) }
                    }
                }
            }
            for bytes in [file(">i4", fortran: false, big), file("|u1", fortran: true, fortran)] {
                try write(bytes, daemon.directory.file("x.npy"))
                let result = try await daemon.client(["score", "--json", daemon.directory.file("x.npy")])
                #expect(try scores(result.output) == scores(expected.output), "\(result.errors)")
            }
        }
    }

    @Test func filesAndFoldersAreOneStackAndEachLineNamesItsFile() async throws {
        try await RunningDaemon.run(["--max-images", "2"]) { daemon in
            let images = self.images(5)
            let folder = daemon.directory.file("faces")
            try FileManager.default.createDirectory(atPath: "\(folder)/b", withIntermediateDirectories: true)
            try write(images.npy(), daemon.directory.file("all.npy"))
            let size = images.shape.count
            try write(
                SampledImages(values: Array(images.values[..<(3 * size)]), shape: images.shape).npy(),
                daemon.directory.file("some.npy"))
            for (i, name) in [(3, "a.png"), (4, "b/c.PNG")] {
                let image = SampledImages(values: Array(images.values[i * size..<(i + 1) * size]), shape: images.shape)
                let origin = SampledImages.Origin(seed: 0, firstIndex: 0, model: "", precision: "", version: "test")
                try write(image.png(origin: origin), "\(folder)/\(name)")
            }
            try write(Array("hello".utf8), "\(folder)/notes.txt")
            let stack = [daemon.directory.file("some.npy"), folder]
            let one = try await daemon.client(["score", "--json", daemon.directory.file("all.npy")])
            let many = try await daemon.client(["score", "--json"] + stack)
            #expect(try scores(many.output) == scores(one.output), "\(many.errors)")
            let lines = try await daemon.client(["score"] + stack).text.split(separator: "\n")
            let names = lines.map { $0.split(separator: " ")[0] }
            let expected = (0..<3).map { "\(stack[0])[\($0)]" } + ["\(folder)/a.png", "\(folder)/b/c.PNG", "mean"]
            #expect(names.map(String.init) == expected)
        }
    }

    @Test func whatIsWrongIsToldWithItsFileAndImageBeforeThereIsAnOutput() async throws {
        let gray = ReplaceableModel.gray
        try await RunningDaemon.run(["--model", gray, "--max-images", "2"]) { daemon in
            var values = [UInt8](repeating: 16, count: 7 * 64)
            values[5 * 64 + 9] = 17
            let good = NPYArray.encode([UInt8](repeating: 1, count: 128), shape: [2, 1, 8, 8])
            let cases: [(String, [UInt8], String)] = [
                ("short.npy", Array(good.dropLast()), "takes 128 bytes; the file has 127"),
                (
                    "value.npy", NPYArray.encode(values, shape: [7, 1, 8, 8]),
                    "value 17 at [5, 0, 1, 1]; allowed 0 … 16; an array holds the model's values"
                ),
                (
                    "colours.npy", NPYArray.encode(values.prefix(384).map { $0 }, shape: [2, 3, 8, 8]),
                    "shape is [2, 3, 8, 8]; images of the model are (n, 1, height, width)"
                ),
                (
                    "last.npy", NPYArray.encode(values, shape: [7, 8, 8, 1]),
                    "channels come last: save x.transpose(0, 3, 1, 2)"
                ),
                ("flat.npy", NPYArray.encode(values, shape: [448]), "allowed is (n, channels, height, width)"),
                ("none.npy", NPYArray.encode([UInt8](), shape: [0, 1, 8, 8]), "no images"),
                ("size.npy", NPYArray.encode(values, shape: [7, 1, 4, 16]), "images of 4 × 16"),
                (
                    "floats.npy", NPYArray.encode([Float](repeating: 0, count: 64), shape: [1, 1, 8, 8]),
                    "integer dtype"
                ),
                ("words.txt", Array("hello".utf8), "not an image that is read"),
            ]
            let output = daemon.directory.file("lp.npy")
            try write(good, daemon.directory.file("good.npy"))
            for (name, bytes, message) in cases {
                let path = daemon.directory.file(name)
                try write(bytes, path)
                let result = try await daemon.client(["score", daemon.directory.file("good.npy"), path, "-o", output])
                #expect(result.status == SystemExit.dataError.rawValue, "\(name): \(result.errors)")
                #expect(result.errors.contains(path) && result.errors.contains(message), "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: output))
            }
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    /// A grid, say, that is taken for one image.
    @Test func anotherSizeThanTheModelsIsTold() async throws {
        try await RunningDaemon.run { daemon in
            for (side, isTold) in [(8, false), (9, true)] {
                let file = daemon.directory.file("\(side).npy")
                try write(self.images(1, side: side).npy(), file)
                let result = try await daemon.client(["score", file])
                #expect(result.status == 0)
                let note = "\(file): \(side) × \(side), and the model's images are 8 × 8"
                #expect(result.errors.contains(note) == isTold, "\(result.errors)")
            }
        }
    }

    @Test func anImageThatNoBodyMayHoldIs64() async throws {
        try await RunningDaemon.run(["--max-body", "1024"]) { daemon in
            let file = daemon.directory.file("large.npy")
            try write(images(1, side: 18).npy(), file)
            let result = try await daemon.client(["score", file])
            #expect(result.status == SystemExit.usage.rawValue && result.errors.contains("--max-body"))
        }
    }

    /// A stack that takes a while, being scored.
    private func start(_ daemon: RunningDaemon, _ output: String) async throws -> Command {
        let file = daemon.directory.file("many.npy")
        try write(images(60, side: 64).npy(), file)
        let command = try Command(
            Programs.client, ["score", file, "-o", output, "--json"], environment: ["PIXELCNN_SOCKET": daemon.socket])
        #expect(await eventually { await daemon.status()?.imagesCompleted ?? 0 > 2 })
        return command
    }

    private func leavings(_ directory: TemporaryDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.hasPrefix(".tmp-") }
    }

    @Test func anotherModelMeanwhileIs75AndLeavesNoFile() async throws {
        try await ReplaceableModel.serve(["--max-images", "1"]) { daemon, model in
            let output = daemon.directory.file("lp.npy")
            let scoring = try await start(daemon, output)
            try model.replace(with: ReplaceableModel.gray)
            daemon.command.signal(SIGHUP)
            let result = try await scoring.wait()
            #expect(result.status == SystemExit.temporaryFailure.rawValue, "\(result.errors)")
            #expect(result.errors.contains("changed its model"))
            #expect(result.output.isEmpty && !FileManager.default.fileExists(atPath: output))
            #expect(try leavings(daemon.directory).isEmpty)
        }
    }

    @Test func ctrlCFreesTheDaemonAndLeavesNoFile() async throws {
        try await RunningDaemon.run(["--threads", "1", "--max-images", "1"]) { daemon in
            let output = daemon.directory.file("lp.npy")
            let scoring = try await start(daemon, output)
            scoring.signal(SIGINT)
            #expect(try await scoring.wait().status == 130)
            #expect(!FileManager.default.fileExists(atPath: output))
            #expect(try leavings(daemon.directory).isEmpty)
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test func aDaemonThatIsStartedAgainGoesOnWithTheSameBytes() async throws {
        let arguments = ["--threads", "1", "--max-images", "1"]
        let first = try await RunningDaemon.start(arguments)
        let output = first.directory.file("lp.npy")
        let scoring = try await start(first, output)
        first.command.signal(SIGKILL)
        _ = try await first.command.wait()
        #expect(await eventually { scoring.errors.contains("trying again") })
        let second = try await RunningDaemon.start(in: first.directory, arguments)
        let result = try await scoring.wait()
        #expect(result.status == 0, "\(result.errors)")
        let array = try await curl(second, second.directory.file("many.npy"), MediaTypeName.npy)
        #expect(try bytes(ofFile: output) == array)
        #expect(try await second.stop().status == 0)
    }

    @Test func aBarIsShownOnATerminal() async throws {
        try await RunningDaemon.run(["--max-images", "2"]) { daemon in
            let file = daemon.directory.file("images.npy")
            try write(self.images(40).npy(), file)
            let terminal = try PseudoTerminal(
                Programs.client, ["score", file],
                environment: ["PIXELCNN_SOCKET": daemon.socket, "TERM": "xterm-256color"], rows: 60)
            #expect(await terminal.wait() == 0, "\(terminal.output)")
            #expect(terminal.output.contains("/40 images"))
            let screen = TerminalScreen(terminal.output)
            let plain = try await daemon.client(["score", file])
            #expect(screen.isCursorVisible && screen.text.joined(separator: "\n") == plain.text)
        }
    }
}
