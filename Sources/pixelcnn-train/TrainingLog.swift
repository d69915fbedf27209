// A run's log: one JSON object per line, one line per step and one per epoch. A run that goes on from a checkpoint
// first drops the lines of the steps that it takes again.

import Foundation
import PixelCNNTraining
import Support

final class TrainingLog {
    private let path: String
    private let file: FileHandle
    private let encoder: JSONEncoder
    /// Every line so far, a few numbers each: what the plot shows.
    private(set) var losses = Losses()

    /// The losses of a run, in nats per value, each with the steps taken.
    struct Losses {
        var steps, train, test: [(step: Int, loss: Double)]

        init() { (steps, train, test) = ([], [], []) }

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
