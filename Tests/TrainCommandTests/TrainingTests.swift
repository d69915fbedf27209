// `pixelcnn-train train` on small images: the same bytes whatever happens on the way, files that PyTorch reads, and an
// orderly end where it cannot go on.

import Foundation
import ImageFormats
import PixelCNNModel
import TestSupport
import Testing

@Suite struct TrainingTests {
    /// Random images as a `.npy` file, (count, 3, 6, 5).
    private func writeImages(_ name: String = "images.npy", count: Int = 40, to folder: TemporaryFolder) throws {
        var generator = SplitMix(seed: 1)
        let values = (0..<count * 90).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try Data(NPYArray.encode(values, shape: [count, 3, 6, 5])).write(to: folder.url.appending(path: name))
    }

    /// Settings that leave nothing out, on images that leave a part of a batch.
    private let arguments = [
        "train", "--data", "images.npy", "--test-data", "images.npy", "--blocks", "2", "--filters", "6", "--colors",
        "16", "--batch-size", "9", "--epochs", "12", "--seed", "3", "--lr", "0.01", "--warmup", "5", "--schedule",
        "cosine", "--ema", "0.9", "--flip", "--force", "--output", "out.safetensors",
    ]

    private func bytes(_ name: String, _ folder: TemporaryFolder) throws -> Data {
        try Data(contentsOf: folder.url.appending(path: name))
    }

    @Test func theNumberOfThreadsAndTheMemoryChangeNoByte() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        var files: [Data] = []
        for more in [["--threads", "1"], ["--threads", "2"], ["--threads", "3", "--memory", "28"]] {
            let outcome = try TrainProgram.run(arguments + more, in: folder.url)
            #expect(outcome.code == 0, "\(outcome.errors)")
            files.append(try bytes("out.safetensors", folder))
        }
        #expect(files[0] == files[1] && files[1] == files[2])
    }

    @Test func aRunThatIsKilledAnywhereGoesOnToTheSameBytes() throws {
        let (whole, cut) = (try TemporaryFolder(), try TemporaryFolder())
        for folder in [whole, cut] { try writeImages(to: folder) }
        #expect(try TrainProgram.run(arguments, in: whole.url).code == 0)
        try TrainProgram.runKilled(arguments, in: cut)
        for name in [
            "out.safetensors", "out.checkpoint.safetensors", "out.log.jsonl", "out.loss.png", "out.samples.png",
        ] {
            #expect(try bytes(name, whole) == bytes(name, cut), "\(name)")
        }
    }

    @Test func anInterruptedRunIsSavedAndSaysHowToGoOn() throws {
        let (whole, cut) = (try TemporaryFolder(), try TemporaryFolder())
        for folder in [whole, cut] { try writeImages(to: folder) }
        let long = arguments + ["--epochs", "60"]
        #expect(try TrainProgram.run(long, in: whole.url).code == 0)
        let program = try TrainProgram(long, in: cut.url)
        while !FileManager.default.fileExists(atPath: cut.path("out.checkpoint.safetensors")) { usleep(1000) }
        program.signal(SIGINT)
        let outcome = program.wait()
        #expect(outcome.code == 130)
        #expect(outcome.errors.contains("out.checkpoint.safetensors is saved") && outcome.errors.contains("--resume"))
        #expect(try TrainProgram.run(long + ["--resume"], in: cut.url).code == 0)
        #expect(try bytes("out.safetensors", whole) == bytes("out.safetensors", cut))
    }

    /// With a constant rate the length of a run changes nothing before its end.
    @Test func aRunBecomesLongerAndSaysWhatTheScheduleDoes() throws {
        let (whole, longer) = (try TemporaryFolder(), try TemporaryFolder())
        for folder in [whole, longer] { try writeImages(to: folder) }
        let constant = arguments + ["--schedule", "constant"]
        #expect(try TrainProgram.run(constant, in: whole.url).code == 0)
        #expect(try TrainProgram.run(constant + ["--epochs", "5"], in: longer.url).code == 0)
        let outcome = try TrainProgram.run(constant + ["--resume"], in: longer.url)
        #expect(outcome.code == 0 && outcome.output.contains("trained for 12 epochs"), "\(outcome.errors)")
        #expect(outcome.errors.contains("12 epochs instead of 5: the learning rate stays"), "\(outcome.errors)")
        #expect(outcome.errors.contains("going on after step 25"), "\(outcome.errors)")
        for name in ["out.safetensors", "out.checkpoint.safetensors", "out.log.jsonl"] {
            #expect(try bytes(name, whole) == bytes(name, longer), "\(name)")
        }
        // Without its --data it would be on CIFAR-10; nothing is downloaded to find out that it is not.
        let bare = try TrainProgram.run(["--resume", "--output", "out.safetensors"], in: longer.url)
        #expect(bare.code == 64 && bare.errors.contains("not on CIFAR-10"), "\(bare.errors)")
        #expect(!FileManager.default.fileExists(atPath: longer.url.appending(path: "datasets").path))
        // Not shorter; and under a cosine the rate is another from here on.
        let shorter = try TrainProgram.run(constant + ["--resume", "--epochs", "11"], in: longer.url)
        #expect(shorter.code == 65 && shorter.errors.contains("epochs was 12 and is now 11"), "\(shorter.errors)")
        #expect(try TrainProgram.run(arguments, in: whole.url).code == 0)
        let cosine = try TrainProgram.run(arguments + ["--resume", "--epochs", "24"], in: whole.url)
        #expect(cosine.code == 0, "\(cosine.errors)")
        #expect(
            cosine.errors.contains(
                "24 epochs instead of 12: the learning rate goes on along the cosine of 24 epochs, at 0.0051, after"),
            "\(cosine.errors)")
    }

    /// All other lines stay.
    @Test func aDamagedLineOfTheLogIsLeftOut() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        let short = arguments + ["--schedule", "constant", "--epochs"]
        #expect(try TrainProgram.run(short + ["2"], in: folder.url).code == 0)
        let log = folder.url.appending(path: "out.log.jsonl")
        let lines = try Data(contentsOf: log).split(separator: UInt8(ascii: "\n"))
        try Data(lines[0] + [0xFF, 0x0A] + lines.dropFirst().joined(separator: [0x0A]) + [0x0A]).write(to: log)
        #expect(try TrainProgram.run(short + ["3", "--resume"], in: folder.url).code == 0)
        let kept = try Data(contentsOf: log).split(separator: UInt8(ascii: "\n"))
        #expect(Array(kept[0..<lines.count - 1]) == Array(lines.dropFirst()))
    }

    @Test func aRunGoesOnOnlyUnderItsOwnSettings() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        try writeImages("other.npy", count: 41, to: folder)
        #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
        for (more, word) in [
            (["--seed", "4"], "seed was 3 and is now 4"), (["--lr", "0.02"], "lr was"),
            (["--data", "other.npy"], "data was"), (["--blocks", "3"], "network was"),
        ] {
            let outcome = try TrainProgram.run(arguments + ["--resume"] + more, in: folder.url)
            #expect(outcome.code == 65 && outcome.errors.contains(word), "\(outcome.errors)")
        }
    }

    @Test func aDamagedCheckpointIsRefusedAndAnEarlierOnesIsWarnedOf() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
        let checkpoint = "out.checkpoint.safetensors"
        let file = folder.url.appending(path: checkpoint)
        let whole = try bytes(checkpoint, folder)
        var damaged = whole
        damaged[damaged.count / 2] ^= 1
        try damaged.write(to: file)
        let refused = try TrainProgram.run(arguments + ["--resume"], in: folder.url)
        #expect(refused.code == 65, "\(refused.errors)")
        #expect(refused.errors.contains("\(checkpoint): the checkpoint is damaged"), "\(refused.errors)")
        #expect(try bytes(checkpoint, folder) == damaged)
        // As earlier versions wrote it: the digest's key is another's.
        let name = try #require(whole.firstRange(of: Data("training.sha256".utf8)))
        var earlier = whole
        earlier.replaceSubrange(name, with: Data("training.sha999".utf8))
        try earlier.write(to: file)
        let warned = try TrainProgram.run(arguments + ["--resume"], in: folder.url)
        #expect(warned.code == 0 && warned.errors.contains("which wrote no digest"), "\(warned.errors)")
    }

    @Test func lossFallsAndTheLogSaysSo() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
        let lines = String(decoding: try bytes("out.log.jsonl", folder), as: UTF8.self).split(separator: "\n")
        let objects = try lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        let steps = objects.filter { $0["loss"] != nil }
        #expect(steps.compactMap { $0["step"] as? Int } == Array(1...60))
        let tests = objects.compactMap { $0["test_bits_per_dim"] as? Double }
        #expect(tests.count == 12)
        #expect(tests[11] < tests[0] && tests[11] < 4)  // 4 bits are 16 equal colours
    }

    /// Lines that share no code with the plot: it has the legend's three colours, and it changes with the losses.
    @Test func anEpochLeavesAPlotAndAGridToLookAt() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        #expect(try TrainProgram.run(arguments + ["--epochs", "1", "--samples", "5"], in: folder.url).code == 0)
        let (plot, grid) = (try bytes("out.loss.png", folder), try PNG.decode(Array(bytes("out.samples.png", folder))))
        #expect((grid.height, grid.width, grid.channels) == (2 * 6, 3 * 5, 3))
        let model = try Model.load(path: folder.path("out.safetensors"))
        #expect(grid.pixels.allSatisfy { $0 % 17 == 0 }, "sixteen colours, 17 levels apart")
        #expect(model.hyperparameters.colors == 16)
        let decoded = try PNG.decode(Array(plot))
        #expect((decoded.width, decoded.height) == (900, 560))
        #expect(try TrainProgram.run(arguments + ["--epochs", "3", "--samples", "0"], in: folder.url).code == 0)
        #expect(try bytes("out.loss.png", folder) != plot)
        #expect(try PNG.decode(Array(bytes("out.samples.png", folder))) == grid, "left alone")
    }

    @Test func aReceptiveFieldIsPlotted() throws {
        let folder = try TemporaryFolder()
        let model = Fixture.folder.appending(path: "tiny.pt").path
        for (more, line) in [
            ([], "red at row 4, column 4 depends on the green of 36 of the 36 pixels before it"),
            (["--masked-only", "--channel", "2", "--of", "red", "--at", "7,0"], "the two stacks see"),
        ] {
            let outcome = try TrainProgram.run(["receptive-field", model, "-o", "rf.png"] + more, in: folder.url)
            #expect(outcome.code == 0 && outcome.output.contains(line), "\(outcome.output) \(outcome.errors)")
            _ = try PNG.decode(Array(bytes("rf.png", folder)))
        }
        for (more, code) in [
            (["--channel", "3"], 64), (["--of", "pink"], 64), (["--at", "8,0"], 64), (["--at", "1"], 64),
            (["-o", "new.jpg"], 64),
            (["--threshold=-1"], 64), (["--threshold", "-1"], 64), (["--at", "-1,2"], 64), (["--of", "-1"], 64),
            (["-o", "none/rf.png"], 73),
        ] as [([String], Int32)] {
            let outcome = try TrainProgram.run(["receptive-field", model, "-o", "new.png"] + more, in: folder.url)
            #expect(outcome.code == code && outcome.output.isEmpty && !outcome.errors.isEmpty, "\(outcome.errors)")
            #expect(!outcome.errors.contains("Missing value"), "\(outcome.errors)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["rf.png"])
    }

    /// A disk with room for one checkpoint but not for the next beside it, then a larger one, then one that cannot be
    /// written: real file systems, which only root can make.
    @Test(.enabled(if: getuid() == 0, "root is needed to make a small disk"))
    func aFullDiskEndsTheRunAndKeepsTheCheckpoint() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        let program = try TrainProgram.path + " " + (arguments + ["--samples", "0"]).joined(separator: " ")
        let script = """
            mkdir disk && mount -t tmpfs -o size=1200k tmpfs disk && cp images.npy disk && cd disk || exit 99
            \(program) >output 2>errors; echo "full $? $(wc -l <errors)"; tail -n 1 errors; ls -A
            mount -o remount,size=20m,noswap . 2>/dev/null || mount -o remount,size=20m .
            \(program) --resume >/dev/null; echo "resumed $?"; sha256sum <out.safetensors
            mount -o remount,ro .
            for more in "" "--output new.pt"; do \(program) $more >/dev/null; echo "read-only $?"; done
            cd .. && mkdir other && mount -t tmpfs -o size=20m tmpfs other && cp images.npy other && cd other || exit 99
            \(program) >/dev/null; echo "undisturbed $?"; sha256sum <out.safetensors
            """
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["unshare", "--mount", "sh", "-c", script]
        process.currentDirectoryURL = folder.url
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(output.contains("full 73 2\n"), "\(output)")  // the first line is what is trained
        #expect(output.contains("No space left on device"), "\(output)")
        #expect(output.contains("out.checkpoint.safetensors\n") && !output.contains(".tmp-"), "\(output)")
        #expect(output.contains("resumed 0\n") && output.contains("undisturbed 0\n"), "\(output)")
        #expect(output.components(separatedBy: "read-only 73\n").count == 3, "\(output)")
        #expect(output.components(separatedBy: "Read-only file system").count == 3, "\(output)")
        let digests = output.split(separator: "\n").filter { $0.hasSuffix("  -") }
        #expect(digests.count == 2 && Set(digests).count == 1, "\(output)")
    }

    @Test func aLossThatIsNoNumberStopsTheRunAndKeepsTheCheckpoint() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        let first = try TrainProgram.run(arguments + ["--lr", "1e38", "--warmup", "0"], in: folder.url)
        #expect(first.code == 65 && first.errors.contains("not a number at step"), "\(first.errors)")
        #expect(first.errors.contains("There is no checkpoint yet"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("out.safetensors")))
    }

    /// Pictures that cannot be written, in a folder of their name, end no run.
    @Test func aPlotAndSamplesThatCannotBeWrittenAreWarnedOf() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        let program = try TrainProgram(arguments + ["--epochs", "60"], in: folder.url)
        while !FileManager.default.fileExists(atPath: folder.path("out.samples.png")) { usleep(1000) }
        for name in ["out.loss.png", "out.samples.png"] {
            // Until the run does not put its own there in between.
            while (try? FileManager.default.contentsOfDirectory(atPath: folder.path(name))) == nil {
                try? FileManager.default.removeItem(atPath: folder.path(name))
                try? FileManager.default.createDirectory(atPath: folder.path(name), withIntermediateDirectories: false)
            }
        }
        let outcome = program.wait()
        #expect(outcome.code == 0, "\(outcome.errors)")
        for words in ["warning: no plot: out.loss.png", "warning: no sampled images: out.samples.png"] {
            #expect(outcome.errors.contains(words), "\(outcome.errors)")
        }
        _ = try Model.load(path: folder.path("out.safetensors"))
    }

    @Test(.enabled(if: PyTorch.isAvailable, "\(PyTorch.absence)"))
    func pyTorchLoadsTheStateDictionary() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        for name in ["out.pt", "out.safetensors"] {
            let outcome = try TrainProgram.run(arguments + ["--output", name], in: folder.url)
            #expect(outcome.code == 0, "\(outcome.errors)")
        }
        let sizes = ["768", "3", "6", "5", "16", "2", "6", "3"]
        let check = try PyTorch.run(["load_state.py", folder.path("out.pt"), folder.path("out.safetensors")] + sizes)
        #expect(check.status == 0, "\(check.output)")
    }

    @Test func evaluationIsTheLogsTestLoss() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
        let outcome = try TrainProgram.run(["evaluate", "out.safetensors", "images.npy"], in: folder.url)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("images      40 of 3 × 6 × 5\nmean "))
        let log = String(decoding: try bytes("out.log.jsonl", folder), as: UTF8.self)
        let last = try #require(log.split(separator: "\n").last)
        let object = try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
        let expected = try #require(object?["test_bits_per_dim"] as? Double)
        #expect(outcome.output.contains(String(format: "mean        %.4f ± ", expected)))
        for line in ["red ", "green ", "blue "] { #expect(outcome.output.contains("\n\(line)")) }
        #expect(try TrainProgram.run(["evaluate", "out.safetensors", "none"], in: folder.url).code == 66)
        #expect(try TrainProgram.run(["evaluate", "images.npy", "images.npy"], in: folder.url).code == 65)
    }

    @Test func aModelIsTakenUp() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
        let more = ["--data", "images.npy", "--init", "out.safetensors", "--epochs", "1", "--lr", "1e-30"]
        #expect(try TrainProgram.run(more + ["--output", "more.safetensors"], in: folder.url).code == 0)
        let (before, after) = (
            try Model.load(path: folder.path("out.safetensors")), try Model.load(path: folder.path("more.safetensors"))
        )
        for spec in before.hyperparameters.parameters {
            #expect(largestDifference(before[spec.name].floats(), after[spec.name].floats()) < 1e-20)
        }
    }

    @Test func wrongUseAndUnwritableOutputsAreNamed() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        for (more, code, word) in [
            (["--output", "model.bin"], 64, ".safetensors"), (["--lr", "0"], 64, "--lr"),
            (["--lr", "-1"], 64, "--lr is -1.0"),
            (["--ema", "1"], 64, "--ema"), (["--filters", "7"], 64, "filters is 7"),
            (["--kernel-size", "4"], 64, "kernel_size is 4"), (["--colors", "65537"], 64, "--colors"),
            (["--output", "none/model.pt"], 73, "none/model.pt"),
            (["--output", "/proc/model.pt"], 73, "/proc/model.pt"), (["--samples", "-1"], 64, "--samples"),
            (["--memory", "1"], 65, "MB are allowed"),
            (["--resume", "--output", "other.pt"], 66, "other.checkpoint.safetensors"),
            (["--checkpoint-minutes", "-1"], 64, "--checkpoint-minutes is -1.0"),
            (["--checkpoint-minutes", "nan"], 64, "--checkpoint-minutes is nan"),
            (["--size", "-1"], 64, "'-1' is invalid for '--size"),
            (["--schedule", "-1"], 64, "'-1' is invalid for '--schedule"),
        ] as [([String], Int32, String)] {
            let outcome = try TrainProgram.run(arguments + more, in: folder.url)
            #expect(outcome.code == code && outcome.errors.contains(word), "\(more): \(outcome.code) \(outcome.errors)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["images.npy"])
    }
}
