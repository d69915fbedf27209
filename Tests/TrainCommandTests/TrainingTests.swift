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
        "cosine", "--ema", "0.9", "--flip", "--output", "out.safetensors",
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
        var (kills, more) = (0, ["--checkpoint-minutes", "0"])  // a checkpoint after every step
        while true {
            let program = try TrainProgram(arguments + more, in: cut.url)
            if kills < 4 {
                // Not before there is something to go on from, then at any moment.
                while !FileManager.default.fileExists(atPath: cut.path("out.checkpoint.safetensors")) { usleep(1000) }
                usleep(.random(in: 0...60_000))
                program.signal(SIGKILL)
                kills += 1
            }
            let outcome = program.wait()
            if outcome.code == 0 { break }
            #expect(outcome.code == SIGKILL, "\(outcome.errors)")
            more = ["--checkpoint-minutes", "0", "--resume"]
        }
        #expect(kills > 0)
        for name in ["out.safetensors", "out.checkpoint.safetensors", "out.log.jsonl"] {
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

    @Test func aRunGoesOnOnlyUnderItsOwnSettings() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        try writeImages("other.npy", count: 41, to: folder)
        #expect(try TrainProgram.run(arguments, in: folder.url).code == 0)
        for (more, word) in [
            (["--seed", "4"], "another seed: 3, now 4"), (["--lr", "0.02"], "another lr"),
            (["--data", "other.npy"], "another data"), (["--blocks", "3"], "another network"),
        ] {
            let outcome = try TrainProgram.run(arguments + ["--resume"] + more, in: folder.url)
            #expect(outcome.code == 65 && outcome.errors.contains(word), "\(outcome.errors)")
        }
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

    @Test func aLossThatIsNoNumberStopsTheRunAndKeepsTheCheckpoint() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        let first = try TrainProgram.run(arguments + ["--lr", "1e38", "--warmup", "0"], in: folder.url)
        #expect(first.code == 65 && first.errors.contains("not a number at step"), "\(first.errors)")
        #expect(first.errors.contains("There is no checkpoint yet"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("out.safetensors")))
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
            (["--ema", "1"], 64, "--ema"), (["--filters", "7"], 64, "filters is 7"),
            (["--kernel-size", "4"], 64, "kernelSize is 4"), (["--colors", "257"], 64, "--colors"),
            (["--output", "none/model.pt"], 73, "none/model.pt"), (["--memory", "1"], 65, "MB are allowed"),
            (["--resume", "--output", "other.pt"], 66, "other.checkpoint.safetensors"),
        ] as [([String], Int32, String)] {
            let outcome = try TrainProgram.run(arguments + more, in: folder.url)
            #expect(outcome.code == code && outcome.errors.contains(word), "\(more): \(outcome.code) \(outcome.errors)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["images.npy"])
    }
}
