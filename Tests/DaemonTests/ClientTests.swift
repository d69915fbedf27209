// pixelcnn against a running pixelcnnd: the same bytes as curl gets, and the exit codes.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite struct ClientTests {
    // Small images: these tests are about bytes and exit codes, not about the network.
    private let size = ["--height", "6", "--width", "5"]
    private let sizeFields = "\"height\":6,\"width\":5"

    @Test func pngAndNPYAreTheSameBytesAsCurls() async throws {
        try await RunningDaemon.run { daemon in
            for (format, type) in [("png", MediaTypeName.png), ("npy", MediaTypeName.npy)] {
                let output = daemon.directory.file("out.\(format)")
                let result = try await daemon.client(
                    ["sample", "-n", "3", "--seed", "18446744073709551615", "--columns", "2", "-o", output] + self.size)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.errors.contains("3 images of seed 18446744073709551615"))
                // As a person types it: curl's own Content-Type.
                let json = "{\"n\":3,\"seed\":18446744073709551615,\"columns\":2,\(self.sizeFields)}"
                let response = try await Curl.send(
                    Endpoint.samples, socket: daemon.socket, ["-d", json, "-H", "Accept: \(type)"])
                #expect(response.status == 200)
                #expect(try bytes(ofFile: output) == response.body)
            }
        }
    }

    @Test func standardOutputGetsTheSameBytesAsAFile() async throws {
        try await RunningDaemon.run { daemon in
            let output = daemon.directory.file("out.npy")
            let arguments = ["sample", "-n", "2", "--seed", "1", "--format", "npy"] + size
            let piped = try await daemon.client(arguments + ["-o", "-"])
            let written = try await daemon.client(arguments + ["-o", output])
            #expect((piped.status, written.status) == (0, 0))
            #expect(try bytes(ofFile: output) == piped.output)
            #expect(try NPYArray(parsing: piped.output).shape.suffix(2) == [6, 5])
        }
    }

    @Test func anAssumedImageSizeIsSaidWhereItIsDrawn() async throws {
        let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../PixelCNNModelTests/Fixtures").standardized.path
        let note = "does not say its image size; drawing 32 × 32 (choose with --height and --width)"
        try await RunningDaemon.run(["--model", "\(fixtures)/state.pt"]) { daemon in
            #expect(try await daemon.describeModel().sizeAssumed == true)
            let output = daemon.directory.file("out.npy")
            let folder = daemon.directory.file("shards")
            for arguments in [["-o", output], ["--output-dir", folder]] {
                let result = try await daemon.client(["sample", "--seed", "1"] + arguments)
                #expect(result.status == 0 && result.errors.contains(note), "\(result.errors)")
            }
            let sized = try await daemon.client(["sample", "-o", output] + size)
            #expect(sized.status == 0 && !sized.errors.contains("does not say"), "\(sized.errors)")
        }
        // The original's earlier modules, and its own save.
        for file in ["input_shape.pt", "original-save.pt"] {
            try await RunningDaemon.run(["--model", "\(fixtures)/\(file)"]) { daemon in
                #expect(try await daemon.describeModel().sizeAssumed == nil)
                let output = daemon.directory.file("out.npy")
                let result = try await daemon.client(["sample", "-o", output])
                #expect(result.status == 0 && !result.errors.contains("does not say"), "\(result.errors)")
                #expect(try NPYArray(parsing: bytes(ofFile: output)).shape == [1, 3, 5, 4])
            }
        }
    }

    @Test func aDrawnSeedIsSaidAndDrawsTheSameAgain() async throws {
        try await RunningDaemon.run { daemon in
            let output = daemon.directory.file("a.npy")
            let first = try await daemon.client(["sample", "-o", output] + size)
            let drawn = try bytes(ofFile: output)
            let line = try #require(first.errors.split(separator: "\n").last { $0.contains("draw again with: ") })
            let words = line.split(separator: ": ").last?.split(separator: " ").dropFirst().map(String.init) ?? []
            #expect(words.contains("--seed") && words.contains("--height") && !words.contains("--socket"))
            let named = try await Programs.client(["sample", "-o", output, "--socket", daemon.socket] + size)
            #expect(named.errors.hasSuffix(" --socket \(daemon.socket)\n"), "\(named.errors)")
            let second = try await daemon.client(words)
            #expect(second.status == 0, "\(second.errors)")
            #expect(try bytes(ofFile: output) == drawn)
        }
    }

    @Test func anImageIsTheSameAloneAndInABatch() async throws {
        try await RunningDaemon.run { daemon in
            let batch = try await daemon.client(
                ["sample", "-n", "3", "--seed", "4", "--format", "npy", "-o", "-"] + size)
            let alone = try await daemon.client(
                ["sample", "--first-index", "2", "--seed", "4", "--format", "npy", "-o", "-"] + size)
            let channels = try await daemon.describeModel().channels
            #expect(batch.output.suffix(channels * 30) == alone.output.suffix(channels * 30))
        }
    }

    @Test func scoresAreCurlsScores() async throws {
        try await RunningDaemon.run { daemon in
            let images = daemon.directory.file("images.npy")
            let logProbabilities = daemon.directory.file("lp.npy")
            _ = try await daemon.client(["sample", "-n", "2", "--seed", "5", "-o", images] + size)
            let curl = try await Curl.send(
                Endpoint.score, socket: daemon.socket,
                ["-H", "Content-Type: application/x-npy", "--data-binary", "@\(images)"])
            let json = try await daemon.client(["score", images, "--json"])
            #expect(try scores(json.output) == scores(curl.body))
            let written = try await daemon.client(["score", images, "--json", "-o", logProbabilities])
            #expect(written.output == json.output)
            let shape = try NPYArray(parsing: bytes(ofFile: logProbabilities)).shape
            #expect(shape.first == 2 && Array(shape.suffix(2)) == [6, 5])
            let table = try await daemon.client(["score", images])
            #expect(table.text.contains("mean") && table.text.contains("bits/dim"))
            #expect(table.text.split(separator: "\n").count == 3)
        }
    }

    @Test func aPNGScoresAsItsArrayDoes() async throws {
        try await RunningDaemon.run { daemon in
            try #require(await daemon.describeModel().isShownAsPNG)
            let arguments = ["sample", "--seed", "5"] + size
            _ = try await daemon.client(arguments + ["-o", daemon.directory.file("i.npy")])
            _ = try await daemon.client(arguments + ["-o", daemon.directory.file("i.png")])
            let array = try await daemon.client(["score", "--json", daemon.directory.file("i.npy")])
            let picture = try await daemon.client(["score", "--json", daemon.directory.file("i.png")])
            #expect(array.status == 0 && picture.status == 0, "\(picture.errors)")
            #expect(try scores(array.output) == scores(picture.output))
        }
    }

    @Test func modelAndStatusAreTablesOrTheDaemonsJSON() async throws {
        try await RunningDaemon.run { daemon in
            let model = try await daemon.client(["model"])
            let description = try await daemon.describeModel()
            #expect(model.text.contains(description.sha256) && model.text.contains("\(description.parameters)"))
            let json = try await daemon.client(["model", "--json"])
            #expect(try JSONCoding.decode(ModelDescription.self, from: json.output) == description)
            let status = try await daemon.client(["status"])
            #expect(status.text.contains("ready"))
            let statusJSON = try await daemon.client(["status", "--json"])
            let counters = try JSONCoding.decode(StatusDescription.self, from: statusJSON.output)
            #expect(counters.processIdentifier == Int(daemon.command.processIdentifier))
        }
    }

    /// A fair amount of values, or the rounded numbers could by chance draw what the others do.
    @Test func daemonsOfIntegersSayWhatTheyAreAndDrawTheSameValuesOneAndAll() async throws {
        func draw(_ arguments: [String]) async throws -> (precision: String, values: [UInt8]) {
            let daemon = try await RunningDaemon.start(arguments)
            let table = try await daemon.client(["model"]).text
            let precision = try await daemon.describeModel().precision
            #expect(table.split(separator: "\n").contains { $0.hasPrefix("precision") && $0.hasSuffix(precision) })
            let sample = try await daemon.client([
                "sample", "-n", "64", "--seed", "2", "-o", daemon.directory.file("s.npy"),
            ])
            #expect(sample.status == 0, "\(sample.errors)")
            let file = try Data(contentsOf: URL(fileURLWithPath: daemon.directory.file("s.npy")))
            #expect(try await daemon.stop().status == 0)
            return (precision, [UInt8](file))
        }
        let exact = try await draw([])
        let one = try await draw(["--precision", "i16", "--threads", "1"])
        let two = try await draw(["--precision", "i16", "--threads", "2"])
        #expect(exact.precision == "f32" && one.precision == "i16")
        #expect(one == two)
        #expect(one.values != exact.values)
    }

    @Test func theUsersRuntimeDirectoryIsFoundByBoth() async throws {
        let directory = try TemporaryDirectory()
        let environment = ["XDG_RUNTIME_DIR": directory.path]
        let command = try Command(Programs.daemon, ["--model", Programs.model], environment: environment)
        let socket = directory.file("pixelcnn.sock")
        _ = await eventually { (try? await Curl.send(Endpoint.readiness, socket: socket).status) == 200 }
        let result = try await Programs.client(["status"], environment: environment)
        #expect(result.status == 0, "\(result.errors) \(command.errors)")
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }

    @Test func refusedRequestsAre64WithTheDaemonsWords() async throws {
        try await RunningDaemon.run { daemon in
            let output = daemon.directory.file("none.png")
            let result = try await daemon.client(["sample", "--top-k", "0", "-o", output])
            #expect(result.status == SystemExit.usage.rawValue)
            #expect(result.errors == "pixelcnn: top_k is 0; allowed is 1…256\n")
            #expect(!FileManager.default.fileExists(atPath: output))
        }
    }

    @Test(arguments: [["-n=-1"], ["-n", "0"], ["--height", "9223372036854775807"], ["--height=-5", "--width", "3"]])
    func sizesThatCannotBeAre64(_ options: [String]) async throws {
        try await RunningDaemon.run { daemon in
            for more in [[], ["--progress"]] {
                let result = try await daemon.client(["sample", "-o", daemon.directory.file("x.png")] + options + more)
                #expect(result.status == SystemExit.usage.rawValue, "\(options) \(more): \(result.errors)")
            }
        }
    }

    @Test func aStandardErrorOrOutputWithoutRoomLosesNoFileAndIsTold() async throws {
        try await RunningDaemon.run { daemon in
            let output = daemon.directory.file("a.npy")
            func run(_ words: String) async throws -> CommandResult {
                try await Command.run(
                    "/usr/bin/env", ["sh", "-c", "\(Programs.client) \(words)"],
                    environment: ["PIXELCNN_SOCKET": daemon.socket])
            }
            #expect(try await run("sample --progress -o \(output) 2>/dev/full").status == 0)
            #expect(try NPYArray(parsing: bytes(ofFile: output)).shape == [1, 3, 8, 8])
            for words in ["score \(output)", "score --json \(output)", "model", "status", "sample -o -"] {
                let result = try await run("\(words) >/dev/full")
                #expect(result.status == SystemExit.cannotCreate.rawValue, "\(words): \(result.errors)")
                #expect(result.errors.contains("standard output"), "\(words): \(result.errors)")
            }
            let check = try await Command.run(
                "/usr/bin/env", ["sh", "-c", "\(Programs.daemon) --check --model \(Programs.model) >/dev/full"])
            #expect(check.status == SystemExit.cannotCreate.rawValue, "\(check.errors)")
        }
    }

    @Test func anOutputThatCannotBeWrittenIs73() async throws {
        try await RunningDaemon.run { daemon in
            let result = try await daemon.client(["sample", "-o", daemon.directory.file("no/such/x.png")] + size)
            #expect(result.status == SystemExit.cannotCreate.rawValue, "\(result.errors)")
            #expect(result.errors.contains("no/such/x.png"))
        }
    }

    @Test func aBusyDaemonIs75AndAClientThatLeavesFreesIt() async throws {
        try await RunningDaemon.run(["--max-queue", "1", "--threads", "1"]) { daemon in
            let large = ["sample", "-n", "200", "--height", "300", "--width", "300", "-o", "-"]
            let first = try Command(
                Programs.client, large, environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(await eventually { await daemon.status()?.imagesQueued ?? 0 > 0 })
            let second = try await daemon.client(["sample", "--no-wait", "-o", daemon.directory.file("x.png")])
            #expect(second.status == SystemExit.temporaryFailure.rawValue, "\(second.errors)")
            #expect(second.errors.contains("try again in"))
            let hurried = try await daemon.client(
                ["sample", "--deadline", "0.5", "-o", daemon.directory.file("x.png")])
            #expect(hurried.status == SystemExit.temporaryFailure.rawValue, "\(hurried.errors)")
            first.signal(SIGINT)
            _ = try await first.wait()
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
            let third = try await daemon.client(["sample", "-o", daemon.directory.file("x.png")])
            #expect(third.status == 0, "\(third.errors)")
        }
    }

    @Test func manyClientsAtOnceAreAllServed() async throws {
        try await RunningDaemon.run { daemon in
            try await withThrowingTaskGroup(of: Int32.self) { group in
                for _ in 0..<16 {
                    group.addTask { try await daemon.client(["status"]).status }
                }
                for try await status in group { #expect(status == 0) }
            }
        }
    }
}

@Suite struct ClientRefusalTests {
    @Test func noDaemonIs69AndSaysWhereItLooked() async throws {
        let directory = try TemporaryDirectory()
        let result = try await Programs.client(["status", "--socket", directory.file("none.sock")])
        #expect(result.status == SystemExit.unavailable.rawValue)
        #expect(result.errors.contains(directory.file("none.sock")))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test func aMissingInputIs66AndABadOne65() async throws {
        let directory = try TemporaryDirectory()
        let missing = try await Programs.client(["score", directory.file("none.npy")])
        #expect(missing.status == SystemExit.noInput.rawValue)
        try Data("hello".utf8).write(to: URL(fileURLWithPath: directory.file("x.txt")))
        let bad = try await Programs.client(["score", directory.file("x.txt")])
        #expect(bad.status == SystemExit.dataError.rawValue)
        #expect(bad.errors.contains("x.txt: not an image that is read"))
        let folder = try await Programs.client(["score", directory.path])
        #expect(folder.status == SystemExit.dataError.rawValue)
    }

    @Test func wrongOptionsAre64() async throws {
        for arguments in [
            ["sample", "--nonsense"], ["sample", "-n", "x"], ["sample", "--seed", "-1"], ["score"], ["x"],
        ] {
            let result = try await Programs.client(arguments)
            #expect(result.status == SystemExit.usage.rawValue, "\(arguments)")
        }
        let tooLong = try await Programs.client(["status", "--socket", String(repeating: "x", count: 108)])
        #expect(tooLong.status == SystemExit.usage.rawValue)
        #expect(tooLong.errors.contains("107"))
    }

    @Test(arguments: ["sample", "score", "model", "status", "open"])
    func everySubcommandHasExamples(subcommand: String) async throws {
        let help = try await Programs.client([subcommand, "--help"])
        #expect(help.status == 0)
        #expect(help.text.contains("EXAMPLES") && help.text.contains("pixelcnn \(subcommand)"))
    }
}
