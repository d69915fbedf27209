// pixelcnn sample --output-dir: whatever a job is cut into and however it is interrupted, its files are those of an
// undisturbed one, and none is partial.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct ShardTests {

    /// All files of a folder, by their paths in it.
    private func files(_ folder: String) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: folder) {
            var isFolder = ObjCBool(false)
            _ = FileManager.default.fileExists(atPath: "\(folder)/\(path)", isDirectory: &isFolder)
            if !isFolder.boolValue { files[path] = try bytes(ofFile: "\(folder)/\(path)") }
        }
        return files
    }

    @Test func shardsHoldTheImagesOfOneFile() async throws {
        try await RunningDaemon.run(["--max-images", "3"]) { daemon in
            let (one, folder) = (daemon.directory.file("one.npy"), daemon.directory.file("a/shards"))
            let arguments = ["sample", "-n", "10", "--seed", "5", "--temperature", "0.9"]
            _ = try await daemon.client(arguments + ["-o", one])
            let result = try await daemon.client(
                arguments + ["--output-dir", folder, "--shard-size", "4", "--progress"])
            #expect(result.status == 0 && result.errors.contains("0/10 images"), "\(result.errors)")
            #expect(result.errors.hasSuffix("10 images of seed 5: 3 shards in \(folder)\n"), "\(result.errors)")
            let files = try self.files(folder)
            let names = ["samples-000000000000.npy", "samples-000000000004.npy", "samples-000000000008.npy"]
            #expect(files.keys.sorted() == ["manifest.json"] + names)
            let shards = try names.map { try NPYArray(parsing: files[$0] ?? []) }
            #expect(shards.map { $0.shape[0] } == [4, 4, 2])
            let drawn = try shards.flatMap { try $0.integers(as: UInt16.self, in: 0...255) }
            let expected = try NPYArray(parsing: bytes(ofFile: one)).integers(as: UInt16.self, in: 0...255)
            #expect(drawn == expected)
            let manifest = String(decoding: files["manifest.json"] ?? [], as: UTF8.self)
            let model = try await daemon.describeModel().sha256
            #expect(manifest.contains(model) && manifest.contains("\"seed\" : 5"), "\(manifest)")
        }
    }

    @Test func aPNGIsThatOfItsImageAlone() async throws {
        try await RunningDaemon.run(["--max-images", "2"]) { daemon in
            let (one, folder) = (daemon.directory.file("one.png"), daemon.directory.file("shards"))
            let result = try await daemon.client(
                ["sample", "-n", "5", "--seed", "5", "--output-dir", folder, "--shard-size", "3", "--format", "png"])
            #expect(result.status == 0, "\(result.errors)")
            _ = try await daemon.client(["sample", "--seed", "5", "--first-index", "4", "-o", one])
            let files = try self.files(folder)
            #expect(files.count == 6)
            #expect(try files["samples-000000000003/000000000004.png"] == bytes(ofFile: one))
        }
    }

    @Test(arguments: ["npy", "png"])
    func anySplitMakesTheFilesOfTheWhole(format: String) async throws {
        try await RunningDaemon.run(["--max-images", "3"]) { daemon in
            let (whole, split) = (daemon.directory.file("whole"), daemon.directory.file("split"))
            let arguments = ["sample", "--seed", "18446744073709551615", "--format", format, "--shard-size", "4"]
            _ = try await daemon.client(arguments + ["-n", "18", "--output-dir", whole])
            // At the same time, and one of them twice.
            try await withThrowingTaskGroup(of: CommandResult.self) { group in
                for (first, n) in [(0, 8), (8, 4), (12, 6), (8, 4)] {
                    group.addTask {
                        try await daemon.client(
                            arguments + ["-n", "\(n)", "--first-index", "\(first)", "--output-dir", split])
                    }
                }
                for try await result in group { #expect(result.status == 0, "\(result.errors)") }
            }
            let files = try self.files(split)
            #expect(try files == self.files(whole))
            #expect(files.count == (format == "png" ? 19 : 6))
        }
    }

    @Test func classesHaveAFolderEach() async throws {
        let digits = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Models/digits8.safetensors").standardized.path
        try await RunningDaemon.run(["--model", digits]) { daemon in
            let (one, folder) = (daemon.directory.file("one.npy"), daemon.directory.file("shards"))
            let arguments = ["sample", "-n", "3", "--seed", "5"]
            let result = try await daemon.client(arguments + ["--label", "all", "--output-dir", folder])
            #expect(result.status == 0 && result.errors.contains("3 images per class"), "\(result.errors)")
            _ = try await daemon.client(arguments + ["--label", "7", "-o", one])
            let files = try self.files(folder)
            #expect(files.count == 11)
            #expect(try files["label-7/samples-000000000000.npy"] == bytes(ofFile: one))
        }
    }

    @Test func aShorterJobsLastShardIsCompletedAndALongerOnesIsKept() async throws {
        try await RunningDaemon.run { daemon in
            let (whole, folder) = (daemon.directory.file("whole"), daemon.directory.file("grown"))
            for format in ["npy", "png"] {
                let arguments = ["sample", "--seed", "1", "--shard-size", "4", "--format", format, "--output-dir"]
                _ = try await daemon.client(arguments + ["\(whole)-\(format)", "-n", "8"])
                for (n, there) in [("6", ""), ("8", "1 of 2"), ("5", "2 of 2")] {
                    let result = try await daemon.client(arguments + ["\(folder)-\(format)", "-n", n])
                    #expect(result.status == 0, "\(result.errors)")
                    #expect(result.errors.contains("shards are there already") == !there.isEmpty, "\(result.errors)")
                    #expect(there.isEmpty || result.errors.contains(there), "\(result.errors)")
                }
                #expect(try files("\(folder)-\(format)") == files("\(whole)-\(format)"))
            }
        }
    }

    // MARK: - Interruptions

    private let slow = ["sample", "-n", "36", "--height", "64", "--width", "64", "--seed", "2", "--shard-size", "3"]

    private func start(_ daemon: RunningDaemon, _ arguments: [String], _ folder: String) async throws -> Command {
        let command = try Command(
            Programs.client, arguments + ["--output-dir", folder], environment: ["PIXELCNN_SOCKET": daemon.socket])
        #expect(
            await eventually { ((try? shards(folder))?.count ?? 0) > 1 }, "\(command.errors)")
        return command
    }

    private func shards(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("samples-") }
    }

    private func inode(_ path: String) throws -> UInt64 {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
    }

    @Test(arguments: ["npy", "png"], [SIGKILL, SIGINT])
    func aJobThatWasStoppedGoesOn(format: String, signal: Int32) async throws {
        try await RunningDaemon.run(["--threads", "1", "--max-images", "2"]) { daemon in
            let (whole, folder) = (daemon.directory.file("whole"), daemon.directory.file("stopped"))
            let arguments = slow + ["--format", format]
            let stopped = try await start(daemon, arguments, folder)
            stopped.signal(signal)
            #expect(try await stopped.wait().status == 128 + signal)
            // The manifest goes on, too: it gets the digests of what is added.
            let before = try files(folder).filter { !$0.key.hasPrefix(".tmp-") && $0.key != "manifest.json" }
            let inodes = try before.keys.map { try inode("\(folder)/\($0)") }
            let left = try files(folder).count - before.count - 1
            #expect(signal == SIGKILL || left == 0)

            let resumed = try await daemon.client(arguments + ["--output-dir", folder])
            #expect(resumed.status == 0 && resumed.errors.contains("are there already"), "\(resumed.errors)")
            _ = try await daemon.client(arguments + ["--output-dir", whole])
            let expected = try files(whole)
            let after = try files(folder).filter { !$0.key.hasPrefix(".tmp-") }
            #expect(after == expected)
            for (path, bytes) in before { #expect(expected[path] == bytes) }
            let kept = try before.keys.map { try inode("\(folder)/\($0)") }
            #expect(kept == inodes)
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test func aDaemonThatIsStartedAgainIsWaitedFor() async throws {
        let options = ["--threads", "1", "--max-images", "2"]
        let first = try await RunningDaemon.start(options)
        let (whole, folder) = (first.directory.file("whole"), first.directory.file("shards"))
        let job = try await start(first, slow, folder)
        first.command.signal(SIGKILL)
        _ = try await first.command.wait()
        #expect(await eventually { job.errors.contains("trying again") })
        let second = try await RunningDaemon.start(in: first.directory, options)
        let result = try await job.wait()
        #expect(result.status == 0, "\(result.errors)")
        _ = try await second.client(slow + ["--output-dir", whole])
        #expect(try files(folder) == files(whole))
        #expect(try await second.stop().status == 0)
    }

    @Test func anotherModelMeanwhileIs75AndNoShardIsMixed() async throws {
        try await ReplaceableModel.serve(["--max-images", "2"]) { daemon, model in
            let folder = daemon.directory.file("shards")
            let job = try await start(daemon, slow, folder)
            try model.replace(with: ReplaceableModel.gray)
            daemon.command.signal(SIGHUP)
            let result = try await job.wait()
            #expect(result.status == SystemExit.temporaryFailure.rawValue, "\(result.errors)")
            #expect(result.errors.contains("changed its model"))
            for (name, bytes) in try files(folder) where name != "manifest.json" {
                #expect(try NPYArray(parsing: bytes).shape == [3, 3, 64, 64], "\(name)")
            }
        }
    }

    // MARK: - Errors

    @Test func aFolderIsOfOneJob() async throws {
        try await RunningDaemon.run { daemon in
            let folder = daemon.directory.file("shards")
            let arguments = ["sample", "-n", "2", "--output-dir", folder]
            _ = try await daemon.client(arguments + ["--seed", "3"])
            let before = try files(folder)
            for (options, message) in [
                (["--seed", "4"], "its seed is 3, here 4"),
                (["--temperature", "0.5"], "its temperature is 1.0, here 0.5"),
                (["--shard-size", "7"], "its shard_size is 1000, here 7"),
                (["--top-k", "9"], "its top_k is none, here 9"),
                (["--format", "png"], "its format is npy, here png"), (["--width", "5"], "its width is 8, here 5"),
            ] {
                let result = try await daemon.client(arguments + options)
                #expect(result.status == SystemExit.usage.rawValue, "\(options): \(result.errors)")
                #expect(result.errors.contains("\(folder)/manifest.json") && result.errors.contains(message))
            }
            try await RunningDaemon.run(["--model", ReplaceableModel.gray]) { other in
                let result = try await other.client(arguments)
                #expect(result.status == SystemExit.usage.rawValue && result.errors.contains("its model is"))
            }
            #expect(try files(folder) == before)
            // The seed may be left to the manifest.
            let again = try await daemon.client(arguments + ["-n", "3"])
            #expect(again.status == 0 && again.errors.contains("3 images of seed 3"), "\(again.errors)")
        }
    }

    // MARK: - Damage

    private let few = ["sample", "-n", "6", "--seed", "3", "--shard-size", "2"]

    private func verify(_ folder: String) async throws -> CommandResult {
        try await Programs.client(["sample", "--output-dir", folder, "--verify"])
    }

    @Test func shardsWithoutTheirManifestAreRefused() async throws {
        try await RunningDaemon.run { daemon in
            for format in ["npy", "png"] {
                let folder = daemon.directory.file(format)
                let arguments = few + ["--format", format, "--output-dir", folder]
                _ = try await daemon.client(arguments)
                try FileManager.default.removeItem(atPath: "\(folder)/manifest.json")
                let before = try files(folder)
                for seed in ["3", "4"] {
                    let result = try await daemon.client(arguments + ["--seed", seed])
                    #expect(result.status == SystemExit.usage.rawValue, "\(result.errors)")
                    let words = "no manifest.json that says how they were drawn"
                    #expect(result.errors.contains(words), "\(result.errors)")
                }
                #expect(try files(folder) == before)
                #expect(try await verify(folder).status == SystemExit.noInput.rawValue)
            }
        }
    }

    @Test(arguments: ["npy", "png"]) func aShardThatHasChangedIsDrawnAgain(format: String) async throws {
        try await RunningDaemon.run { daemon in
            let folder = daemon.directory.file("shards")
            let arguments = few + ["--format", format, "--output-dir", folder]
            _ = try await daemon.client(arguments)
            let whole = try files(folder)
            #expect(try await verify(folder).status == 0)
            for path in whole.keys.sorted() where path != "manifest.json" {
                // A bit near the end: of a value, or of a PNG's pixels.
                var bytes = try #require(whole[path])
                bytes[bytes.count - 20] ^= 4
                try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(path)"))
                let damaged = try await verify(folder)
                #expect(damaged.status == SystemExit.dataError.rawValue, "\(path): \(damaged.errors)")
                #expect(damaged.errors.contains("has changed since it was drawn"), "\(path): \(damaged.errors)")
                let result = try await daemon.client(arguments)
                #expect(result.status == 0 && result.errors.contains("drawing it again"), "\(path): \(result.errors)")
                #expect(result.errors.contains("2 of 3 shards are there already"), "\(path): \(result.errors)")
                #expect(try files(folder) == whole, "\(path)")
            }
            let gone = try #require(whole.keys.sorted().last)
            try FileManager.default.removeItem(atPath: "\(folder)/\(gone)")
            #expect(try await verify(folder).status == SystemExit.dataError.rawValue)
            #expect(try await daemon.client(arguments).status == 0)
            #expect(try files(folder) == whole)
            #expect(try await verify(folder).status == 0)
        }
    }

    /// As earlier versions wrote it.
    @Test func aManifestWithoutDigestsGetsThem() async throws {
        try await RunningDaemon.run { daemon in
            let folder = daemon.directory.file("shards")
            _ = try await daemon.client(few + ["--output-dir", folder])
            let whole = try files(folder)
            let manifest = try #require(
                JSONSerialization.jsonObject(with: Data(whole["manifest.json"] ?? [])) as? [String: Any])
            try JSONSerialization.data(withJSONObject: manifest.filter { $0.key != "shards" })
                .write(to: URL(fileURLWithPath: "\(folder)/manifest.json"))
            #expect(try await verify(folder).status == SystemExit.dataError.rawValue)
            let result = try await daemon.client(few + ["--output-dir", folder])
            #expect(result.status == 0 && result.errors.contains("no digests of 3 shards"), "\(result.errors)")
            #expect(try files(folder) == whole)
        }
    }

    /// A pipe would be waited for, and a device has no end.
    @Test(arguments: ["npy", "png"]) func whatIsNoFileIsOneErrorAndNoWait(format: String) async throws {
        try await RunningDaemon.run { daemon in
            let makers: [(name: String, make: (String) throws -> Void)] = [
                ("a pipe", { try #require(mkfifo($0, 0o600) == 0) }),
                ("a device", { try #require(symlink("/dev/zero", $0) == 0) }),
                (
                    format == "npy" ? "a folder" : "a file",
                    { path in
                        try #require(
                            format == "npy"
                                ? mkdir(path, 0o700) == 0
                                : FileManager.default.createFile(atPath: path, contents: Data()))
                    }
                ),
            ]
            for (name, make) in makers {
                let folder = daemon.directory.file("\(format) \(name)")
                let arguments = few + ["--format", format, "--output-dir", folder]
                _ = try await daemon.client(arguments)
                let shard = try #require(shards(folder).sorted().last)
                try FileManager.default.removeItem(atPath: "\(folder)/\(shard)")
                try make("\(folder)/\(shard)")
                let result = try await daemon.client(arguments)
                #expect(result.status == SystemExit.cannotCreate.rawValue, "\(name): \(result.errors)")
                #expect(result.errors.contains("\(shard) is \(name), where a shard goes"), "\(result.errors)")
                #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
                #expect(try await verify(folder).status == SystemExit.dataError.rawValue)
                if name == "a file" { continue }
                try FileManager.default.removeItem(atPath: "\(folder)/manifest.json")
                try make("\(folder)/manifest.json")
                for result in [try await daemon.client(arguments), try await verify(folder)] {
                    let expected: Set = [SystemExit.dataError.rawValue, SystemExit.cannotCreate.rawValue]
                    #expect(expected.contains(result.status), "\(name): \(result.errors)")
                    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
                }
            }
        }
    }

    @Test func whatCannotBeWrittenIs73() async throws {
        try await RunningDaemon.run { daemon in
            let file = daemon.directory.file("file")
            try Data().write(to: URL(fileURLWithPath: file))
            let result = try await daemon.client(["sample", "--output-dir", "\(file)/shards"])
            #expect(result.status == SystemExit.cannotCreate.rawValue, "\(result.errors)")
            #expect(result.errors.contains("\(file)/shards: Not a directory"), "\(result.errors)")
            try Data("{}".utf8).write(to: URL(fileURLWithPath: daemon.directory.file("manifest.json")))
            let foreign = try await daemon.client(["sample", "--output-dir", daemon.directory.path])
            #expect(foreign.status == SystemExit.dataError.rawValue && foreign.errors.contains("no manifest of shards"))
        }
    }

    /// A real file system without room, which only root can make.
    @Test(
        .enabled(if: getuid() == 0, "root is needed to make a small disk"),
        arguments: [("npy", "200k"), ("png", "1200k")])
    func aFullDiskIs73AndLeavesWholeShardsOnly(format: String, size: String) async throws {
        try await RunningDaemon.run { daemon in
            let sample =
                "\(Programs.client) sample --socket \(daemon.socket) --seed 1 --shard-size 100 --format \(format) "
                + "--output-dir"
            let script = """
                mkdir disk && mount -t tmpfs -o size=\(size) tmpfs disk && cd disk || exit 99
                \(sample) out -n 2000 2>errors; echo "full $? $(wc -l <errors)"; cat errors; ls -A out
                mount -o remount,size=40m,noswap . 2>/dev/null || mount -o remount,size=40m .
                \(sample) out -n 2000 -q; echo "resumed $?"; \(sample) whole -n 2000 -q; diff -r out whole && echo same
                mount -o remount,ro .; \(sample) other -q 2>&1; echo "read-only $?"
                """
            let result = try await Command.run(
                "/usr/bin/env", ["unshare", "--mount", "sh", "-c", "cd \(daemon.directory.path) && { \(script)\n}"])
            #expect(result.text.contains("full 73 2\n"), "\(result.text) \(result.errors)")
            #expect(result.text.contains("No space left on device"), "\(result.text)")
            #expect(result.text.contains("of 20 shards are in out; the same command goes on"), "\(result.text)")
            #expect(result.text.contains("samples-000000000000") && !result.text.contains(".tmp-"), "\(result.text)")
            #expect(result.text.contains("resumed 0\nsame\n"), "\(result.text)")
            #expect(result.text.contains("Read-only file system\nread-only 73\n"), "\(result.text)")
        }
    }

    @Test func optionsThatContradictAre64() async throws {
        for options in [
            ["-o", "x.npy"], ["--columns", "2"], ["--preview"], ["--deadline", "2"], ["--first-index", "500"],
            ["--shard-size", "0"],
        ] {
            let result = try await Programs.client(["sample", "--output-dir", "/nonexistent/x"] + options)
            #expect(result.status == SystemExit.usage.rawValue, "\(options): \(result.errors)")
        }
        #expect(try await Programs.client(["sample", "--shard-size", "2"]).status == SystemExit.usage.rawValue)
    }
}
