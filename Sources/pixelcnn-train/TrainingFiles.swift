// The files of a run, named after its output: pixelcnn.pt has pixelcnn.checkpoint.safetensors, pixelcnn.log.jsonl and
// pixelcnn.samples.png beside it; the plot is called loss.png, as the original's is.

import Foundation
import PixelCNNModel
import PixelCNNTraining
import Support

struct TrainingFiles {
    let output: String
    var checkpoint: String { stem + ".checkpoint.safetensors" }
    var log: String { stem + ".log.jsonl" }
    /// Sampled images: a PNG, or an array of more values than a PNG shows.
    func samples(isArray: Bool) -> String { stem + ".samples." + (isArray ? "npy" : "png") }
    var plot: String { folder + "loss.png" }

    /// The output's name without its folder.
    var name: String { String(output.dropFirst(folder.count)) }

    private var stem: String { String(output[..<(output.lastIndex(of: ".") ?? output.endIndex)]) }
    private var folder: String { output.lastIndex(of: "/").map { String(output[...$0]) } ?? "" }

    /// Finds out before hours of work whether the model can be written.
    func checkWritable() throws(ModelFileError) {
        do throws(AtomicFileError) {
            _ = try AtomicFile(path: output)  // dropped uncommitted: leaves no trace
        } catch {
            throw ModelFileError(file: output, .cannotWrite(reason: error.reason))
        }
    }

    /// Writes a file whole or not at all.
    static func write(_ bytes: [UInt8], to path: String) throws(ModelFileError) {
        do throws(AtomicFileError) {
            try AtomicFile.write(bytes, to: path)
        } catch {
            throw ModelFileError(file: path, .cannotWrite(reason: error.reason))
        }
    }

    /// Writes the model in the form that the output's ending names.
    func write(_ model: Model) throws(ModelFileError) {
        if output.hasSuffix(".safetensors") {
            try model.writeSafetensors(to: output)
        } else {
            try model.writePyTorch(to: output)
        }
    }
}

/// A run's log: one JSON object per line, one line per step and one per epoch. A run that goes on from a checkpoint
/// first drops the lines of the steps that it takes again.
final class TrainingLog {
    private let path: String
    private let file: FileHandle
    private let encoder: JSONEncoder
    /// Every line so far, a few numbers each: what the plot shows.
    private(set) var losses = Losses()

    /// The losses of a run, in nats per value, each with the steps taken.
    struct Losses {
        var steps: [(step: Int, loss: Double)] = []
        var train: [(step: Int, loss: Double)] = []
        var test: [(step: Int, loss: Double)] = []

        mutating func append(_ line: Line) {
            if let loss = line.loss { steps.append((line.step, loss)) }
            if let loss = line.epochLoss { train.append((line.step, loss)) }
            if let loss = line.testLoss { test.append((line.step, loss)) }
        }
    }

    /// The step of the last epoch's end that the log has.
    var lastEpochEnd: Int { losses.train.last?.step ?? 0 }

    /// A step, or with `testLoss` or `epochLoss` the end of an epoch; losses in nats per value.
    struct Line: Codable {
        var step: Int
        var epoch: Int
        var loss: Double?
        var bitsPerDim: Double?
        var gradientNorm: Double?
        var learningRate: Double?
        var epochLoss: Double?
        var epochBitsPerDim: Double?
        var testLoss: Double?
        var testBitsPerDim: Double?
    }

    /// Opens the log and keeps its lines of the first `steps` steps.
    init(path: String, keeping steps: Int) throws(TrainingError) {
        self.path = path
        encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let text = steps > 0 ? (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" : ""
        let kept = text.split(separator: "\n").compactMap { text in
            (try? decoder.decode(Line.self, from: Data(text.utf8))).map { (text: text, line: $0) }
        }.filter { $0.line.step <= steps }
        for line in kept { losses.append(line.line) }
        do throws(AtomicFileError) {
            try AtomicFile.write(Array(kept.map { $0.text + "\n" }.joined().utf8), to: path)
        } catch {
            throw .log(path, reason: "cannot be written: \(error.reason)")
        }
        guard let file = FileHandle(forWritingAtPath: path) else { throw .log(path, reason: "cannot be opened") }
        self.file = file
        _ = try? file.seekToEnd()
    }

    /// Appends a line.
    func append(_ line: Line) throws(TrainingError) {
        do {
            try file.write(contentsOf: encoder.encode(line) + Data("\n".utf8))
        } catch {
            throw .log(path, reason: "cannot be written")
        }
        losses.append(line)
    }
}
