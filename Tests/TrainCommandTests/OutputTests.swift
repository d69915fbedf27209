// What a run writes, and what it must not write over: another run's files, whatever lies there by chance, its own data.

import Foundation
import ImageFormats
import PixelCNNModel
import TestSupport
import Testing

@Suite struct OutputTests {
    private let small = ["--blocks", "1", "--filters", "6", "--epochs", "1", "--samples", "1"]

    private func writePictures(_ count: Int, to folder: TemporaryFolder) throws {
        for i in 0..<count {
            let pixels = (0..<48).map { UInt8(truncatingIfNeeded: $0 * 5 + i * 17) }
            let png = try PNG.encode(Picture(width: 4, height: 4, channels: 3, pixels: pixels))
            try Data(png).write(to: folder.url.appending(path: "\(i).png"))
        }
    }

    private func bytes(_ name: String, _ folder: TemporaryFolder) throws -> Data {
        try Data(contentsOf: folder.url.appending(path: name))
    }

    private func train(_ more: [String], in folder: TemporaryFolder) throws -> Outcome {
        try TrainProgram.run(["--data", "."] + small + more, in: folder.url)
    }

    /// The working folder is the data, the output's folder, and has what others left there.
    @Test func aRunsOwnFilesAreNeitherReplacedNorItsData() throws {
        let folder = try TemporaryFolder()
        try writePictures(3, to: folder)
        try Data("made by PyTorch".utf8).write(to: folder.url.appending(path: "pixelcnn.pt"))
        let first = try train([], in: folder)
        #expect(first.code == 0 && first.errors.contains("3 images of 3 × 4 × 4"), "\(first.errors)")
        #expect(first.errors.contains("pixelcnn.pt is there already; this run is written to pixelcnn-2.pt"))
        #expect(first.output.contains("pixelcnn-2.pt: trained"))
        #expect(try bytes("pixelcnn.pt", folder) == Data("made by PyTorch".utf8))
        let made = try bytes("pixelcnn-2.pt", folder)
        _ = try PNG.decode(Array(bytes("pixelcnn-2.loss.png", folder)))
        // Its pictures are no data of the next run, nor of its own when it goes on.
        try Data("a picture of mine".utf8).write(to: folder.url.appending(path: "loss.png"))
        let second = try train([], in: folder)
        #expect(second.code == 0 && second.errors.contains("3 images of 3 × 4 × 4"), "\(second.errors)")
        #expect(
            second.errors.contains(
                "pictures that a training run has made: 3 (loss.png, pixelcnn-2.loss.png, pixelcnn-2.samples.png)"),
            "\(second.errors)")
        #expect(second.output.contains("pixelcnn-3.pt: trained"))
        let resumed = try train(["--resume"], in: folder)
        #expect(resumed.code == 0, "\(resumed.errors)")
        #expect(resumed.errors.contains("going on with pixelcnn-3.pt, the last that was begun; --output names another"))
        #expect(try train(["--resume", "--output", "pixelcnn-2.pt"], in: folder).code == 0)
        #expect(try bytes("pixelcnn-2.pt", folder) == made)
        #expect(try bytes("pixelcnn.pt", folder) == Data("made by PyTorch".utf8))
        #expect(try bytes("loss.png", folder) == Data("a picture of mine".utf8))
        #expect(!FileManager.default.fileExists(atPath: folder.path("pixelcnn-3.lock")))
    }

    @Test func anotherRunsFilesAreReplacedOnlyOnRequest() throws {
        let folder = try TemporaryFolder()
        try writePictures(2, to: folder)
        for name in ["model.pt", "model.checkpoint.safetensors", "model.log.jsonl", "model.samples.png"] {
            let other = Data("another's".utf8)
            try other.write(to: folder.url.appending(path: name))
            let refused = try train(["--output", "model.pt"], in: folder)
            #expect(refused.code == 73, "\(refused.errors)")
            #expect(refused.errors.contains("\(name) is there already") && refused.errors.contains("--force"))
            #expect(refused.errors.contains("--resume") == name.contains("checkpoint"), "\(refused.errors)")
            #expect(refused.errors.split(separator: "\n").count == 1)
            #expect(try bytes(name, folder) == other)
            try FileManager.default.removeItem(at: folder.url.appending(path: name))
        }
        try Data().write(to: folder.url.appending(path: "model.pt"))  // mktemp(1) has made it
        #expect(try train(["--output", "model.pt"], in: folder).code == 0)
        #expect(try train(["--output", "model.pt"], in: folder).code == 73)
        // Other options only tell whether it was replaced.
        #expect(try train(["--output", "model.pt", "--seed", "5", "--force"], in: folder).code == 0)
        #expect(try train(["--output", "model.pt", "--seed", "5", "--resume"], in: folder).code == 0)
    }

    @Test func twoRunsDoNotShareAnOutput() throws {
        let folder = try TemporaryFolder()
        try writePictures(2, to: folder)
        let long = ["--data", "."] + small + ["--epochs", "100000", "--samples", "0"]
        let running = try TrainProgram(long + ["--output", "model.pt"], in: folder.url)
        let unnamed = try TrainProgram(long, in: folder.url)
        for name in ["model.log.jsonl", "pixelcnn.log.jsonl"] {
            while !FileManager.default.fileExists(atPath: folder.path(name)) { usleep(1000) }
        }
        for more in [["--resume"], ["--force"], []] {
            let other = try train(["--output", "model.safetensors"] + more, in: folder)
            #expect(other.code == 73 && other.errors.contains("another run (process "), "\(other.errors)")
        }
        // Where no name is given there is another.
        let third = try train([], in: folder)
        #expect(third.code == 0 && third.output.contains("pixelcnn-2.pt: trained"), "\(third.errors)")
        for program in [running, unnamed] {
            program.signal(SIGTERM)
            #expect(program.wait().code == 143)
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path("model.lock")))
        // One that was killed leaves its lock, which holds nobody up.
        let killed = try TrainProgram(long + ["--output", "model.pt", "--resume"], in: folder.url)
        while !FileManager.default.fileExists(atPath: folder.path("model.lock")) { usleep(1000) }
        killed.signal(SIGKILL)
        _ = killed.wait()
        #expect(try train(["--output", "model.pt", "--force"], in: folder).code == 0)
    }

    /// The model's own name would fit.
    @Test func namesThatCannotBeWrittenAreFoundOutAtOnce() throws {
        let folder = try TemporaryFolder()
        try writePictures(2, to: folder)
        let long = String(repeating: "n", count: 250) + ".pt"
        for output in [long, "", "new/.pt", "missing/x.pt"] {
            let outcome = try TrainProgram.run(
                ["--data", "no such data", "--output", output], in: folder.url)
            #expect(outcome.code == (output.isEmpty ? 64 : 73), "\(output): \(outcome.errors)")
        }
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
        #expect(before == ["0.png", "1.png"])
    }
}
