// Training conditional on classes, on the digits that come with the project: the forms that classes come in, what is
// said of classes that are wrong, and the same bytes whatever happens on the way.

import Foundation
import ImageFormats
import PixelCNNModel
import TestSupport
import Testing

@Suite struct ConditionalTests {
    private static let digits = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Models/digits8").path

    /// A small network, three passes over few images.
    private let arguments = [
        "--blocks", "2", "--filters", "6", "--colors", "17", "--batch-size", "9", "--epochs", "3", "--lr", "0.01",
        "--output", "out.safetensors", "--force",
    ]

    private func write(_ bytes: [UInt8], to name: String, in folder: TemporaryFolder) throws {
        let url = folder.url.appending(path: name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    /// Twelve images (1, 3, 4) of three classes, numbers 0, 2, 1, 0, …, as `images.npy`; class 1 is the rarest.
    private func writeImages(to folder: TemporaryFolder, labels: [Int64] = [0, 2, 1, 0, 2, 0, 2, 0, 2, 0, 2, 0]) throws
    {
        var generator = SplitMix(seed: 1)
        let values = (0..<12 * 12).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try write(NPYArray.encode(values, shape: [12, 1, 3, 4]), to: "images.npy", in: folder)
        let bytes = labels.map { UInt8(truncatingIfNeeded: $0) }
        try write(NPYArray.encode(bytes, shape: [labels.count]), to: "images-labels.npy", in: folder)
    }

    private func train(_ data: String, _ more: [String] = [], in folder: TemporaryFolder) throws -> Outcome {
        try TrainProgram.run(["--data", data, "--conditional"] + arguments + more, in: folder.url)
    }

    private func bytes(_ name: String, _ folder: TemporaryFolder) throws -> Data {
        try Data(contentsOf: folder.url.appending(path: name))
    }

    private func classes(_ folder: TemporaryFolder) throws -> (Int, [String]) {
        let model = try Model.load(path: folder.path("out.safetensors"))
        return (model.hyperparameters.labels, model.labelNames)
    }

    /// As docs/TRAINING.md has it; the test images' bits/dim.
    private func trainDigits(_ more: [String], in folder: TemporaryFolder) throws -> Double {
        let outcome = try TrainProgram.run(
            [
                "--data", Self.digits + "/digits-train.npy", "--test-data", Self.digits + "/digits-test.npy",
                "--colors", "17", "--blocks", "4", "--filters", "24", "--batch-size", "8", "--epochs", "6", "--lr",
                "2e-3", "--warmup", "50", "--schedule", "cosine", "--ema", "0.995", "--output", "out.safetensors",
                "--force",
            ] + more, in: folder.url)
        #expect(outcome.code == 0, "\(outcome.errors)")
        let log = String(decoding: try bytes("out.log.jsonl", folder), as: UTF8.self).split(separator: "\n")
        let last = try #require(try JSONSerialization.jsonObject(with: Data(log[log.count - 1].utf8)) as? [String: Any])
        return try #require(last["test_bits_per_dim"] as? Double)
    }

    @Test func digitsAreLearntClassByClassAndBetterThanWithoutClasses() throws {
        let folder = try TemporaryFolder()
        let plain = try trainDigits([], in: folder)
        let tested = try trainDigits(["--conditional"], in: folder)
        #expect(tested < plain - 0.02 && tested < 1.8, "\(tested), \(plain)")  // 4.09 bits are 17 equal values
        #expect(try classes(folder) == (10, []))
        let scored = try TrainProgram.run(
            ["evaluate", "out.safetensors", Self.digits + "/digits-test.npy"], in: folder.url)
        #expect(scored.output.contains(String(format: "mean        %.4f ± ", tested)), "\(scored.output)")
        let lines = scored.output.split(separator: "\n").filter { $0.hasPrefix("class ") }
        #expect(lines.count == 10 && lines[3].hasPrefix("class 3 ") && lines[3].hasSuffix("30 images"))
        // The mean is the classes' means, by their images.
        func number(_ line: Substring, _ field: Int) -> Double { Double(line.split(separator: " ")[field]) ?? .nan }
        let mean = lines.reduce(0) { $0 + number($1, 2) * number($1, 14) } / 297
        #expect(abs(mean - tested) < 2e-4)
        // The one that comes with the project was made so; other processors' libm may differ in a cosine's last bit.
        let bundled = try TrainProgram.run(
            ["evaluate", Self.digits + ".safetensors", Self.digits + "/digits-test.npy"], in: folder.url)
        #expect(bundled.errors.isEmpty)
        let line = try #require(bundled.output.split(separator: "\n").first { $0.hasPrefix("mean") })
        #expect(abs(number(line, 1) - tested) < 0.01)
    }

    @Test func aModelsOwnValuesInThePlaceOfLevelsAreWarnedOf() throws {
        let folder = try TemporaryFolder()
        let fixtures = Self.digits + "/../../Tests/Fixtures"
        let outcome = try TrainProgram.run(
            ["evaluate", fixtures + "/gray.safetensors", fixtures + "/gray-images.npy"], in: folder.url)
        #expect(outcome.code == 0 && outcome.errors.contains("no level is above 16, of 255"), "\(outcome.errors)")
    }

    @Test func aWrongClassIsScoredAsOne() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        #expect(try train("images.npy", ["--epochs", "30"], in: folder).code == 0)
        let right = try TrainProgram.run(["evaluate", "out.safetensors", "images.npy"], in: folder.url)
        try write(NPYArray.encode([UInt8](repeating: 1, count: 12), shape: [12]), to: "wrong.npy", in: folder)
        let wrong = try TrainProgram.run(
            ["evaluate", "out.safetensors", "images.npy", "--labels", "wrong.npy"], in: folder.url)
        func mean(_ outcome: Outcome) throws -> Double {
            let line = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix("mean") })
            return try #require(Double(line.split(separator: " ")[1]))
        }
        #expect(try mean(right) < mean(wrong))
    }

    @Test func classesAreFoundWhereEachFormHasThem() throws {
        func bigEndian(_ words: Int...) -> [UInt8] {
            words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
        }
        var folder = try TemporaryFolder()
        let pixels = (0..<6 * 20).map { UInt8($0) }
        for (kind, count) in [("train", 6), ("t10k", 2)] {
            try write(
                bigEndian(0x803, count, 5, 4) + pixels[..<(20 * count)], to: "mnist/\(kind)-images-idx3-ubyte",
                in: folder)
            try write(
                bigEndian(0x801, count) + [3, 0, 1, 2, 0, 1][..<count], to: "mnist/\(kind)-labels-idx1-ubyte",
                in: folder)
        }
        #expect(try train("mnist", in: folder).code == 0)
        #expect(try classes(folder) == (4, []))
        #expect(try train("mnist/train-images-idx3-ubyte", in: folder).code == 0)
        #expect(try classes(folder) == (4, []))

        folder = try TemporaryFolder()
        for i in 1...5 { try write([9] + [UInt8](repeating: 7, count: 3072), to: "c/data_batch_\(i).bin", in: folder) }
        try write([0] + [UInt8](repeating: 7, count: 3072), to: "c/test_batch.bin", in: folder)
        let names = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        try write(Array((names.joined(separator: "\n") + "\n\n").utf8), to: "c/batches.meta.txt", in: folder)
        let outcome = try train("c", ["--epochs", "1"], in: folder)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try classes(folder) == (10, names))

        folder = try TemporaryFolder()
        for (i, name) in ["sea/1", "sea/deep/2", "land/1"].enumerated() {
            let picture = Picture(width: 2, height: 3, channels: 3, pixels: [UInt8](repeating: UInt8(i), count: 18))
            try write(PNG.encode(picture), to: "images/\(name).png", in: folder)
            if i > 0 { try write(PNG.encode(picture), to: "test/\(name).png", in: folder) }
        }
        #expect(try train("images", ["--test-data", "test"], in: folder).code == 0)
        #expect(try classes(folder) == (2, ["land", "sea"]))

        folder = try TemporaryFolder()
        try writeImages(to: folder)
        try write(Array("[\"a\", \"b\", \"c\", \"d\"]".utf8), to: "images-label-names.json", in: folder)
        #expect(try train("images.npy", in: folder).code == 0)
        #expect(try classes(folder) == (4, ["a", "b", "c", "d"]))
        try write(Array("x\ny\nz\n".utf8), to: "names.txt", in: folder)
        #expect(
            try train("images.npy", ["--labels", "images-labels.npy", "--label-names", "names.txt"], in: folder).code
                == 0)
        #expect(try classes(folder) == (3, ["x", "y", "z"]))
        // Names bring numbers together: to this model, z is 2.
        try write(Array("z\nx\n".utf8), to: "other.txt", in: folder)
        try write(NPYArray.encode([UInt8](repeating: 0, count: 12), shape: [12]), to: "other.npy", in: folder)
        let scored = try TrainProgram.run(
            ["evaluate", "out.safetensors", "images.npy", "--labels", "other.npy", "--label-names", "other.txt"],
            in: folder.url)
        #expect(scored.output.contains("\nz ") && scored.output.hasSuffix("12 images\n"), "\(scored.output)")
    }

    @Test func wrongClassesAreNamedInOneLineAndLeaveUnconditionalRunsAlone() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        try write(NPYArray.encode([UInt8](repeating: 0, count: 11), shape: [11]), to: "few.npy", in: folder)
        try write(NPYArray.encode([Float](repeating: 0, count: 12), shape: [12]), to: "float.npy", in: folder)
        try write(NPYArray.encode([UInt8](repeating: 0, count: 12), shape: [4, 3]), to: "flat.npy", in: folder)
        try write(Array("a\nb\n".utf8), to: "two.txt", in: folder)
        try write(Array("a\na\n".utf8), to: "same.txt", in: folder)
        try write([1, 2, 3], to: "short.idx", in: folder)
        try write([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7], to: "images.idx", in: folder)
        let picture = Picture(width: 2, height: 3, channels: 3, pixels: [UInt8](repeating: 1, count: 18))
        try write(PNG.encode(picture), to: "bare/1.png", in: folder)
        for (data, more, code, words) in [
            ("images.npy", ["--labels", "none.npy"], 65, ["none.npy is missing"]),
            ("images.npy", ["--labels", "few.npy"], 65, ["few.npy", "11 labels for 12 images"]),
            ("images.npy", ["--labels", "float.npy"], 65, ["float.npy", "float32"]),
            ("images.npy", ["--labels", "flat.npy"], 65, ["flat.npy", "shape (N)"]),
            ("images.npy", ["--labels", "short.idx"], 65, ["short.idx", "holds no labels"]),
            ("images.npy", ["--label-names", "two.txt"], 65, ["images-labels.npy", "record 1 has label 2"]),
            ("images.npy", ["--label-names", "same.txt"], 65, ["same.txt", "names"]),
            ("images.npy", ["--label-names", "none.txt"], 66, ["none.txt"]),
            ("images.idx", [], 65, ["images.idx", "name a file of them with --labels"]),
            ("bare", [], 65, ["bare/1.png", "no subfolder"]),
            ("bare", ["--labels", "few.npy"], 65, ["its own classes"]),
            ("images.npy", ["--balance", "2"], 64, ["--balance is 2"]),
        ] as [(String, [String], Int32, [String])] {
            let outcome = try train(data, more, in: folder)
            #expect(outcome.code == code, "\(more): \(outcome.code) \(outcome.errors)")
            #expect(words.allSatisfy { outcome.errors.contains($0) }, "\(more): \(outcome.errors)")
            if code != 64 { #expect(outcome.errors.split(separator: "\n").count == 1) }
        }
        try FileManager.default.moveItem(
            atPath: folder.path("images-labels.npy"), toPath: folder.path("images-labels-of-12.npy"))
        try write(NPYArray.encode([UInt8](repeating: 0, count: 3), shape: [3]), to: "images-labels.npy", in: folder)
        let plain = ["--data", "images.npy"] + arguments
        #expect(try TrainProgram.run(plain, in: folder.url).code == 0)
        #expect(try Model.load(path: folder.path("out.safetensors")).hyperparameters.labels == 0)
        #expect(
            try TrainProgram.run(
                plain + ["--balance", "1", "--labels", "images-labels-of-12.npy", "--test-data", "images.npy"],
                in: folder.url
            ).code == 0)
        let misused = try TrainProgram.run(plain + ["--label-names", "two.txt"], in: folder.url)
        #expect(misused.code == 64 && misused.errors.contains("--conditional"))
        let started = try TrainProgram.run(
            ["--data", "images.npy", "--labels", "few.npy", "--init", "out.safetensors", "--conditional"],
            in: folder.url)
        #expect(started.code == 65, "\(started.errors)")
    }

    /// Everything that a run has, on parts of batches.
    private let whole = ["--ema", "0.9", "--flip", "--balance", "0.5", "--epochs", "8", "--schedule", "cosine"]

    @Test func threadsMemoryAndInterruptionsChangeNoByte() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        try write(Array("[\"a\", \"b\", \"c\"]".utf8), to: "images-label-names.json", in: folder)
        var files: [Data] = []
        for more in [["--threads", "1"], ["--threads", "2"]] {
            let outcome = try train("images.npy", whole + more, in: folder)
            #expect(outcome.code == 0, "\(outcome.errors)")
            files.append(try bytes("out.safetensors", folder))
        }
        let cut = try TemporaryFolder()
        for name in ["images.npy", "images-labels.npy", "images-label-names.json"] {
            try write(Array(bytes(name, folder)), to: name, in: cut)
        }
        var more = ["--checkpoint-minutes", "0"]
        for _ in 0..<2 {
            let program = try TrainProgram(
                ["--data", "images.npy", "--conditional"] + arguments + whole + more, in: cut.url)
            while !FileManager.default.fileExists(atPath: cut.path("out.checkpoint.safetensors")) { usleep(1000) }
            program.signal(SIGKILL)
            _ = program.wait()
            more = ["--checkpoint-minutes", "0", "--resume"]
        }
        #expect(try train("images.npy", whole + more, in: cut).code == 0)
        files.append(try bytes("out.safetensors", cut))
        #expect(files[0] == files[1] && files[1] == files[2])
        #expect(try classes(cut) == (3, ["a", "b", "c"]))

        // Other classes are another run.
        try writeImages(to: cut, labels: [1, 2, 1, 0, 2, 0, 2, 0, 2, 0, 2, 0])
        let other = try train("images.npy", whole + ["--resume"], in: cut)
        #expect(other.code == 65 && other.errors.contains("labels was"), "\(other.errors)")
    }

    @Test(.enabled(if: PyTorch.isAvailable, "\(PyTorch.absence)"))
    func pyTorchLoadsTheStateDictionary() throws {
        let folder = try TemporaryFolder()
        try writeImages(to: folder)
        try write(Array("[\"a\", \"b\", \"c\"]".utf8), to: "images-label-names.json", in: folder)
        for name in ["out.pt", "out.safetensors"] {
            #expect(try train("images.npy", ["--output", name], in: folder).code == 0)
        }
        let sizes = ["768", "1", "3", "4", "17", "2", "6", "3", "3", "a", "b", "c"]
        let check = try PyTorch.run(["load_state.py", folder.path("out.pt"), folder.path("out.safetensors")] + sizes)
        #expect(check.status == 0, "\(check.output)")
    }
}
