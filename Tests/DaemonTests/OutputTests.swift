// What pixelcnn writes, and what it never writes over: a name that nobody has chosen, and what it reads. And jobs of
// more images than anything can hold.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.timeLimit(.minutes(5))) struct OutputTests {
    /// Runs a command of a shell in a folder, with the programs in its path.
    private func shell(_ daemon: RunningDaemon, _ script: String) async throws -> CommandResult {
        try await Command.run(
            "/bin/bash", ["-c", "cd '\(daemon.directory.path)' && { \(script)\n}"],
            environment: ["PIXELCNN_SOCKET": daemon.socket, "PATH": "\(Programs.folder):/usr/bin:/bin"])
    }

    private func names(_ daemon: RunningDaemon) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: daemon.directory.path).filter { $0 != "d.sock" }.sorted()
    }

    @Test func aDefaultNameThatIsTakenGetsANumberAndTheInputStays() async throws {
        try await RunningDaemon.run { daemon in
            let first = try await shell(daemon, "pixelcnn sample --seed 1")
            #expect(first.status == 0 && first.errors.hasSuffix("to samples.png\n"), "\(first.errors)")
            let drawn = try bytes(ofFile: daemon.directory.file("samples.png"))
            let second = try await shell(daemon, "pixelcnn complete samples.png --rows 1 --seed 2")
            #expect(
                second.status == 0 && second.errors.hasSuffix("to samples-2.png, as samples.png exists\n"),
                "\(second.errors)")
            #expect(try bytes(ofFile: daemon.directory.file("samples.png")) == drawn)
            let third = try await shell(daemon, "pixelcnn sample --format npy --seed 3 && pixelcnn sample -q --seed 3")
            #expect(third.status == 0, "\(third.errors)")
            #expect(try names(daemon) == ["samples-2.png", "samples-3.png", "samples.npy", "samples.png"])
        }
    }

    @Test func runsAtTheSameTimeEachHaveTheirFile() async throws {
        try await RunningDaemon.run { daemon in
            let result = try await shell(
                daemon, "for seed in 1 2 3 4 5 6; do pixelcnn sample -q --seed $seed & done; wait")
            #expect(result.errors == "")
            #expect(try names(daemon).count == 6)
            let files = try names(daemon).map { try bytes(ofFile: daemon.directory.file($0)) }
            #expect(Set(files).count == 6)
        }
    }

    @Test func whatIsReadIsNeverWrittenOver() async throws {
        try await RunningDaemon.run { daemon in
            let made = try await shell(
                daemon,
                """
                pixelcnn sample -q --seed 1 -o x.png && pixelcnn sample -q --seed 1 -o x.npy
                ln -s x.png link.png; ln x.png hard.png; mkdir f; cp x.png f/x.png; cp x.png mask.png
                """)
            #expect(made.status == 0, "\(made.errors)")
            let drawn = try bytes(ofFile: daemon.directory.file("x.png"))
            for words in [
                "complete x.png --rows 1 -o x.png", "complete link.png --rows 1 -o x.png",
                "complete x.png --rows 1 -o ./link.png", "complete hard.png --rows 1 -o x.png",
                "complete x.npy --mask mask.png -o mask.png", "score x.png -o x.png", "score x.png -o hard.png",
                "score x.npy f -o f/x.png", "complete - --rows 1 -o x.png <x.png", "score x.png -o - >>x.png",
            ] {
                let result = try await shell(daemon, "pixelcnn \(words)")
                #expect(result.status == SystemExit.usage.rawValue, "\(words): \(result.errors)")
                #expect(result.errors.contains("is the file that is read"), "\(words): \(result.errors)")
                #expect(result.errors.split(separator: "\n").count == 1, "\(words): \(result.errors)")
            }
            for name in ["x.png", "f/x.png", "mask.png"] {
                #expect(try bytes(ofFile: daemon.directory.file(name)) == drawn, "\(name)")
            }
            // Another file of the same bytes is written over, as always.
            #expect(try await shell(daemon, "pixelcnn complete x.png --rows 1 -q -o mask.png").status == 0)
            // A device is not replaced.
            #expect(try await shell(daemon, "pixelcnn score x.png -q -o /dev/null").status == 0)
        }
    }

    @Test func anOutputInAFolderThatTakesNoFilesIsNamed() async throws {
        try await RunningDaemon.run { daemon in
            let result = try await Command.run(
                "/bin/sh", ["-c", "cd /proc && exec \(Programs.client) sample"],
                environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(result.status == SystemExit.cannotCreate.rawValue, "\(result.errors)")
            #expect(result.errors.contains("cannot open samples.png"), "\(result.errors)")
        }
    }

    // MARK: - More than fits

    @Test(arguments: ["-o trillion.npy", "--output-dir shards", "--output-dir pngs --format png --label all"])
    func aTrillionImagesBeginAtOnceAndEndWithCtrlC(options: String) async throws {
        let isConditional = options.contains("--label")
        let model = URL(fileURLWithPath: Programs.model).deletingLastPathComponent()
            .appendingPathComponent(isConditional ? "conditional.pt" : "tiny.pt").path
        try await RunningDaemon.run(["--model", model]) { daemon in
            let before = await daemon.status()?.imagesCompleted ?? 0  // the warm-up's
            let command = try Command(
                "/bin/sh",
                [
                    "-c",
                    "cd '\(daemon.directory.path)' && exec \(Programs.client) sample -n 1000000000000 \(options)",
                ], environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(
                await eventually { await daemon.status()?.imagesCompleted ?? 0 > before || !command.isRunning })
            command.signal(SIGINT)
            let result = try await command.wait()
            #expect(result.status == 130, "\(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: daemon.directory.file("trillion.npy")))
        }
    }

    @Test func aPictureThatNoMemoryHoldsIsRefusedWithTheWayThatWorks() async throws {
        try await RunningDaemon.run { daemon in
            let before = await daemon.status()?.imagesCompleted  // the warm-up's
            let result = try await shell(daemon, "pixelcnn sample -n 10000000000 -o big.png")
            #expect(result.status == SystemExit.usage.rawValue, "\(result.errors)")
            #expect(result.errors.contains("--output-dir FOLDER") && result.errors.contains(".npy"), "\(result.errors)")
            #expect(await daemon.status()?.imagesCompleted == before)
            #expect(try names(daemon).isEmpty)
        }
    }

    // MARK: - JSON

    private struct Drawn: Decodable {
        struct File: Decodable {
            let path: String
            let sha256: String
        }

        let seed: UInt64
        let first_index: UInt64
        let images: Int
        let labels: [Int]?
        let model: String
        let files: [File]
    }

    @Test func theJSONOfASampleIsEnoughToFindAndCheckItsFiles() async throws {
        try await RunningDaemon.run { daemon in
            let model = try await daemon.describeModel().sha256
            let one = try await shell(daemon, "pixelcnn sample -n 3 --first-index 7 --json")
            #expect(one.status == 0, "\(one.errors)")
            let drawn = try JSONCoding.decode(Drawn.self, from: one.output)
            #expect(one.errors.contains("3 images of seed \(drawn.seed) to samples.png"), "\(one.errors)")
            #expect((drawn.first_index, drawn.images, drawn.model) == (7, 3, model) && drawn.labels == nil)
            #expect(drawn.files.map(\.path) == ["samples.png"])

            let many = try await shell(
                daemon, "pixelcnn sample -n 5 --seed 18446744073709551615 --output-dir s --shard-size 2 --json")
            let shards = try JSONCoding.decode(Drawn.self, from: many.output)
            #expect(shards.seed == .max && shards.files.count == 3)
            // What sha256sum says of the same files.
            for file in drawn.files + shards.files {
                let sum = try await shell(daemon, "sha256sum \(file.path)")
                #expect(sum.text.hasPrefix("\(file.sha256)  "), "\(file.path): \(sum.text)")
            }
            let both = try await shell(daemon, "pixelcnn sample --json -o -")
            #expect(both.status == SystemExit.usage.rawValue && both.output.isEmpty, "\(both.errors)")
        }
    }

    /// `pixelcnn … | head`: the exit status is a shell's for SIGPIPE, and nothing is said.
    @Test func aReaderThatLeavesIsNoError() async throws {
        try await RunningDaemon.run { daemon in
            for words in ["model", "sample -n 2000 --format npy -q -o -", "status --json"] {
                let result = try await Command.run(
                    "/bin/bash", ["-c", "\(Programs.client) \(words) | true; echo ${PIPESTATUS[0]}"],
                    environment: ["PIXELCNN_SOCKET": daemon.socket])
                // A reader may also be late to leave.
                #expect(["141\n", "0\n"].contains(result.text), "\(words): \(result.text)")
                #expect(result.errors == "", "\(words): \(result.errors)")
            }
            let large = try await Command.run(
                "/bin/bash",
                ["-c", "\(Programs.client) sample -n 4000 --format npy -q -o - | head -c 1; echo ${PIPESTATUS[0]}"],
                environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(large.text.hasSuffix("141\n") && large.errors == "", "\(large.errors)")
        }
    }
}
