// Runs with dropout, moved and binarised images, and early stopping: the same bytes whatever happens on the way, the
// best epoch as the model, and likelihoods as tables have them.

import Foundation
import ImageFormats
import PixelCNNModel
import TestSupport
import Testing

@Suite struct RegularizationTests {
    /// Random images as a `.npy` file, (count, 1, 6, 5); each seed gives others.
    private func writeImages(_ name: String, count: Int, seed: UInt64, to folder: TemporaryFolder) throws {
        var generator = SplitMix(seed: seed)
        let values = (0..<count * 30).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try Data(NPYArray.encode(values, shape: [count, 1, 6, 5])).write(to: folder.url.appending(path: name))
    }

    private func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try writeImages("images.npy", count: 40, seed: 1, to: folder)
        try writeImages("other.npy", count: 30, seed: 2, to: folder)
        return folder
    }

    /// A network that soon knows its images by heart.
    private let arguments = [
        "train", "--data", "images.npy", "--blocks", "2", "--filters", "6", "--batch-size", "9", "--seed", "3", "--lr",
        "0.01", "--force", "--samples", "4", "--output", "out.safetensors",
    ]
    private let everything = [
        "--binarize", "--dropout", "0.3", "--shift", "1", "--flip", "--ema", "0.9", "--validation", "0.25",
        "--patience",
        "40", "--test-data", "other.npy", "--epochs", "12",
    ]

    private func bytes(_ name: String, _ folder: TemporaryFolder) throws -> Data {
        try Data(contentsOf: folder.url.appending(path: name))
    }

    /// The log's objects.
    private func log(_ folder: TemporaryFolder) throws -> [[String: Any]] {
        try String(decoding: bytes("out.log.jsonl", folder), as: UTF8.self).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    private func train(_ more: [String], in folder: TemporaryFolder) throws -> Outcome {
        try TrainProgram.run(arguments + more, in: folder.url)
    }

    private func evaluate(_ more: [String], in folder: TemporaryFolder) throws -> Outcome {
        try TrainProgram.run(["evaluate", "out.safetensors"] + more, in: folder.url)
    }

    private static let files = [
        "out.safetensors", "out.checkpoint.safetensors", "out.log.jsonl", "out.loss.png", "out.samples.png",
    ]

    @Test func threadsMemoryAndInterruptionsChangeNoByte() throws {
        let (whole, other) = (try folder(), try folder())
        let outcome = try train(everything + ["--threads", "1"], in: whole)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try train(everything + ["--threads", "3", "--memory", "10"], in: other).code == 0)
        for name in Self.files { #expect(try bytes(name, whole) == bytes(name, other), "\(name)") }

        let cut = try folder()
        try TrainProgram.runKilled(arguments + everything, in: cut)
        for name in Self.files { #expect(try bytes(name, whole) == bytes(name, cut), "\(name)") }
    }

    @Test func aRunSaysItsSettingsAndGoesOnOnlyUnderThem() throws {
        let folder = try folder()
        let outcome = try train(everything, in: folder)
        #expect(
            outcome.errors.contains(
                "dropout 0.3; images moved by up to 1 pixels; levels are probabilities of white: drawn anew each epoch"
                    + ", held-out images' once by seed 3; the best epoch by 10 validation images; the end after 40 "
            ),
            "\(outcome.errors)")
        let settings = try #require(log(folder).first?["settings"] as? [String: String])
        #expect(
            settings == [
                "dropout": "0.3", "shift": "1", "binarize": "true", "validation": "0.25", "patience": "40",
            ])
        let checkpoint = try ModelContents.read(path: folder.path("out.checkpoint.safetensors"))
        #expect(checkpoint.metadata["training.condition.dropout"] == "0.3")
        for (option, value, words) in [
            ("--dropout", "0", "dropout was 0.3 and is now not set"),
            ("--dropout", "0.2", "dropout was 0.3 and is now"),
            ("--shift", "0", "shift was 1 and is now not set"),
            ("--validation", "0.5", "validation was 0.25 and is now"),
            ("--validation", "other.npy", "validation was 0.25 and is now not set"),
            ("--patience", "39", "patience was 40 and is now 39"),
        ] {
            let outcome = try train(everything + ["--resume", option, value], in: folder)
            #expect(outcome.code == 65 && outcome.errors.contains(words), "\(option): \(outcome.errors)")
        }
        // Without any of it there is no such line, and such a run takes none of it up.
        #expect(try train(["--colors", "2", "--epochs", "1"], in: folder).code == 0)
        #expect(try log(folder).allSatisfy { $0["settings"] == nil && $0["validation_loss"] == nil })
        let added = try train(["--colors", "2", "--epochs", "1", "--resume", "--dropout", "0.3"], in: folder)
        #expect(added.code == 65 && added.errors.contains("dropout was not set and is now 0.3"), "\(added.errors)")
    }

    /// On other random images the network is best before it knows its own.
    @Test func theBestEpochIsTheModelAndPatienceEndsTheRun() throws {
        let (stopped, longer) = (try folder(), try folder())
        let early = ["--colors", "4", "--validation", "other.npy", "--epochs", "60"]
        let outcome = try train(early + ["--patience", "2"], in: stopped)
        #expect(outcome.code == 0, "\(outcome.errors)")
        func losses(_ folder: TemporaryFolder) throws -> [Double] {
            try log(folder).compactMap { $0["validation_bits_per_dim"] as? Double }
        }
        func expectBest(_ folder: TemporaryFolder, _ output: String, patience: Int) throws {
            let losses = try losses(folder)
            let best = try #require(losses.min())
            let epoch = try #require(losses.firstIndex(of: best)) + 1
            #expect(losses.count == epoch + patience && losses.count < 60)
            #expect(
                output.contains(
                    "trained for \(losses.count) epochs, the last \(patience) of them no better; this is epoch \(epoch)"
                        + ", the best: validation "), "\(output)")
            let scored = try evaluate(["other.npy"], in: folder)
            #expect(scored.output.contains(String(format: "mean        %.4f ± ", best)), "\(scored.output)")
            let last = try TrainProgram.run(
                ["evaluate", "out.checkpoint.safetensors", "other.npy"], in: folder.url)
            #expect(last.output.contains(String(format: "mean        %.4f ± ", losses[losses.count - 1])))
        }
        try expectBest(stopped, outcome.output, patience: 2)
        // The same run with more patience, from the start or from here.
        let whole = try train(early + ["--patience", "5"], in: longer)
        try expectBest(longer, whole.output, patience: 5)
        let resumed = try train(early + ["--patience", "5", "--resume"], in: stopped)
        #expect(resumed.code == 0 && resumed.errors.contains("patience of 5 epochs instead of 2"), "\(resumed.errors)")
        for name in ["out.safetensors", "out.checkpoint.safetensors", "out.loss.png"] {
            #expect(try bytes(name, stopped) == bytes(name, longer), "\(name)")
        }
        // Nothing is left to do, and the model is written again.
        try FileManager.default.removeItem(at: stopped.url.appending(path: "out.safetensors"))
        let again = try train(early + ["--patience", "5", "--resume"], in: stopped)
        #expect(again.code == 0 && again.output == resumed.output.split(separator: "\n").last.map { $0 + "\n" })
        #expect(try bytes("out.safetensors", stopped) == bytes("out.safetensors", longer))
    }

    @Test func heldOutPixelsAreDrawnOnceBySeed() throws {
        let folder = try folder()
        #expect(try train(everything, in: folder).code == 0)
        #expect(try Model.load(path: folder.path("out.safetensors")).hyperparameters.colors == 2)
        let scores = try ["3", "3", "0"].map { try evaluate(["other.npy", "--binarize", "--seed", $0], in: folder) }
        let plain = try evaluate(["other.npy", "--binarize"], in: folder)
        #expect(scores.allSatisfy { $0.code == 0 }, "\(scores[0].errors)")
        #expect(scores[0].output.contains("images      30 of 1 × 6 × 5, levels drawn as pixels by seed 3\n"))
        #expect(scores[0].output == scores[1].output && scores[0].output != scores[2].output)
        #expect(scores[2].output == plain.output)
        // The run's own test images are those: its log has the last epoch's loss, and so has its checkpoint's average.
        let average = try TrainProgram.run(
            [
                "evaluate", "out.checkpoint.safetensors", "other.npy", "--binarize", "--seed", "3", "--weights",
                "average",
            ], in: folder.url)
        let last = try #require(log(folder).last?["test_bits_per_dim"] as? Double)
        #expect(average.output.contains(String(format: "mean        %.4f ± ", last)), "\(average.output)")
        for (more, words) in [
            (["images.npy", "--seed", "1"], "--seed goes with --binarize"),
            (["images.npy", "--binarize", "--seed", "-1"], "--seed"),
        ] {
            let outcome = try evaluate(more, in: folder)
            #expect(outcome.code == 64 && outcome.errors.contains(words), "\(outcome.errors)")
        }
        #expect(try train(["--colors", "4", "--epochs", "1"], in: folder).code == 0)
        let other = try evaluate(["images.npy", "--binarize"], in: folder)
        #expect(other.code == 64 && other.errors.contains("out.safetensors is for 4"), "\(other.errors)")
    }

    /// Nats of an image are those of a value, times the values; training says them as evaluate does.
    @Test func likelihoodsAreAsTablesHaveThem() throws {
        let folder = try folder()
        let outcome = try train(["--colors", "4", "--test-data", "other.npy", "--epochs", "1"], in: folder)
        let scored = try evaluate(["other.npy"], in: folder)
        let line = try #require(scored.output.split(separator: "\n").first { $0.hasPrefix("mean") })
        let fields = line.split(separator: " ")
        let numbers = fields.compactMap { Double($0) }
        #expect(numbers.count == 6 && fields.last == "nats/image", "\(line)")
        #expect(abs(numbers[4] - 30 * numbers[2]) < 0.01 && abs(numbers[5] - 30 * numbers[3]) < 0.01, "\(line)")
        let perImage = try #require(line.components(separatedBy: "nats   ").last)
        #expect(outcome.output.contains("bits/dim, \(perImage)\n"), "\(outcome.output)")
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let folder = try folder()
        for (more, code, words) in [
            (["--binarize", "--colors", "16"], 64, "--colors is 16; --binarize makes images of 2 values"),
            (["--binarize", "--network", "vqvae-prior"], 64, "a vqvae-prior learns codes"),
            (["--dropout", "1"], 64, "--dropout is 1.0; it must be from 0 to 0.95"),
            (["--dropout", "-0.1"], 64, "--dropout is -0.1"), (["--dropout", "nan"], 64, "--dropout is nan"),
            (["--shift", "33"], 64, "--shift is 33; it must be 0 to 32"), (["--shift", "-1"], 64, "--shift is -1"),
            (["--patience", "3"], 64, "--patience goes with --validation"),
            (["--patience", "0", "--validation", "0.1"], 64, "--patience is 0"),
            (["--validation", "1"], 64, "'1' is invalid for '--validation"),
            (["--validation", "0"], 64, "'0' is invalid for '--validation"),
            (["--validation", "0.001"], 65, "holds 40 images, which a --validation of 0.001 does not divide"),
            (["--validation", "none.npy"], 66, "none.npy"),
        ] as [([String], Int32, String)] {
            let outcome = try train(more, in: folder)
            #expect(
                outcome.code == code && outcome.errors.contains(words), "\(more): \(outcome.code) \(outcome.errors)")
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted() == [
                "images.npy", "other.npy",
            ])
        #expect(try train(["--colors", "4", "--epochs", "1"], in: folder).code == 0)
        let taken = ["--data", "images.npy", "--init", "out.safetensors", "--binarize", "--output", "new.pt"]
        let outcome = try TrainProgram.run(taken, in: folder.url)
        #expect(
            outcome.code == 64
                && outcome.errors.contains("--binarize makes images of 2 values; out.safetensors is for 4"),
            "\(outcome.errors)")
    }

    /// Classes go with the images that are set aside.
    @Test func aConditionalModelIsValidatedByClass() throws {
        let folder = try folder()
        for (name, count) in [("images", 40), ("other", 30)] {
            let labels = (0..<count).map { UInt8($0 % 3) }
            try Data(NPYArray.encode(labels, shape: [count])).write(
                to: folder.url.appending(path: "\(name)-labels.npy"))
        }
        for validation in ["0.25", "other.npy"] {
            let outcome = try train(
                ["--conditional", "--colors", "4", "--epochs", "2", "--validation", validation], in: folder)
            #expect(outcome.code == 0 && outcome.output.contains(", validation "), "\(outcome.errors)")
            #expect(outcome.errors.contains(validation == "0.25" ? "30 images of" : "40 images of"))
        }
    }
}
