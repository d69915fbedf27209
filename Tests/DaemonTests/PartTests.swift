// pixelcnn against a daemon whose limits are below what is requested, or which is busy: parts make the same file,
// waiting is polite and bounded.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import TestSupport
import Testing

@Suite(.serialized) struct PartTests {
    @Test(arguments: [["--max-images", "3"], ["--max-values", "600"]])
    func partsMakeTheSameFileAsOneRequest(limits: [String]) async throws {
        let arguments = [
            "sample", "-n", "11", "--seed", "6", "--first-index", "18446744073709551605", "--columns", "4",
        ]
        try await RunningDaemon.run { whole in
            try await RunningDaemon.run(limits) { parts in
                for format in ["npy", "png"] {
                    let one = try await whole.client(arguments + ["--format", format, "-o", "-"])
                    for progress in [[], ["--progress"]] {
                        let many = try await parts.client(arguments + ["--format", format, "-o", "-"] + progress)
                        #expect(many.output == one.output && many.status == 0, "\(many.errors)")
                        #expect(many.errors.contains("in one request; sending 4 parts"))
                    }
                }
            }
        }
    }

    @Test func partsOfADrawnSeedShareIt() async throws {
        try await RunningDaemon.run(["--max-images", "1"]) { daemon in
            let output = daemon.directory.file("a.npy")
            let drawn = try await daemon.client(["sample", "-n", "3", "-o", output])
            let first = try bytes(ofFile: output)
            let command = try #require(drawn.errors.components(separatedBy: "draw again with: pixelcnn ").last)
            let again = try await daemon.client(command.split(whereSeparator: \.isWhitespace).map(String.init))
            #expect(again.status == 0)
            #expect(try bytes(ofFile: output) == first)
        }
    }

    @Test func whatNoPartShowsToBeWrongIsRefusedAsAWhole() async throws {
        try await RunningDaemon.run(["--max-images", "3"]) { daemon in
            let result = try await daemon.client(
                ["sample", "-n", "5", "--first-index", "18446744073709551612", "-o", daemon.directory.file("x.npy")])
            #expect(result.status == SystemExit.usage.rawValue)
            #expect(result.errors.contains("first_index"))
        }
    }

    /// Of another shape, so that its images do not fit either; a stream is looked at before its first event.
    @Test(arguments: [["--format", "npy"], ["--format", "png"], ["--format", "npy", "--progress"]])
    func anotherModelBetweenPartsIs75AndLeavesNoFile(options: [String]) async throws {
        let folder = try TemporaryDirectory()
        let model = folder.file("model")
        try FileManager.default.copyItem(atPath: Programs.model, toPath: model)
        try await RunningDaemon.run(["--model", model, "--max-images", "4"]) { daemon in
            let output = daemon.directory.file("x")
            // Far more parts than are drawn before the reload.
            let drawing = try Command(
                Programs.client, ["sample", "-n", "100000", "--height", "40", "--width", "40", "-o", output] + options,
                environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(await eventually { await daemon.status()?.imagesCompleted ?? 0 > 12 })
            try FileManager.default.removeItem(atPath: model)
            try FileManager.default.copyItem(atPath: "\(Fixture.folder.path)/gray.safetensors", toPath: model)
            daemon.command.signal(SIGHUP)
            let result = try await drawing.wait()
            #expect(result.status == SystemExit.temporaryFailure.rawValue, "\(result.errors)")
            #expect(result.errors.contains("the daemon has changed its model or precision meanwhile; try again"))
            let files = try FileManager.default.contentsOfDirectory(atPath: daemon.directory.path)
            #expect(!files.contains { $0.contains("x") }, "\(files)")
        }
    }

    @Test func aBusyDaemonIsWaitedForAsLongAsOneLikes() async throws {
        try await RunningDaemon.run(["--max-queue", "1", "--threads", "1"]) { daemon in
            let output = daemon.directory.file("x.png")
            let large = try Command(
                Programs.client, ["sample", "-n", "70", "--height", "300", "--width", "300", "-q", "-o", "-"],
                environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(await eventually { await daemon.status()?.imagesQueued ?? 0 > 0 })
            // Long enough for a first refusal to come before the end.
            for wait in ["0.3", "3", "30", "300"] {
                let bounded = try await daemon.client(["sample", "--wait", wait, "-o", output])
                #expect(bounded.status == SystemExit.temporaryFailure.rawValue)
                #expect(bounded.errors.contains("the queue is full"))
                if bounded.errors.contains(/pixelcnn: busy, trying again in \d+ s\n/) { break }
                #expect(wait != "300", "\(bounded.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: output))

            let waiting = try Command(
                Programs.client, ["sample", "-o", output], environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(await eventually { waiting.errors.contains("busy, trying again") })
            large.signal(SIGKILL)
            _ = try await large.wait()
            let result = try await waiting.wait()
            #expect(result.status == 0 && result.errors.contains("wrote 1 image"), "\(result.errors)")
        }
    }

    @Test(arguments: [["--progress"], []])
    func aDeadlineThatPassesIs75AndLeavesNoFile(progress: [String]) async throws {
        try await RunningDaemon.run(["--threads", "1"]) { daemon in
            let output = daemon.directory.file("x.npy")
            let result = try await daemon.client(
                ["sample", "-n", "50", "--height", "300", "--width", "300", "--deadline", "0.4", "-o", output]
                    + progress)
            #expect(result.status == SystemExit.temporaryFailure.rawValue, "\(result.errors)")
            #expect(result.errors.contains("deadline"))
            #expect(!FileManager.default.fileExists(atPath: output))
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test func optionsThatContradictAre64() async throws {
        for options in [
            ["--wait", "1", "--no-wait"], ["--quiet", "--progress"], ["--deadline", "0"], ["--wait", "-1"],
        ] {
            #expect(try await Programs.client(["sample"] + options).status == SystemExit.usage.rawValue)
        }
    }
}
