// The files of a run, named after its output: pixelcnn.pt has pixelcnn.checkpoint.safetensors, pixelcnn.log.jsonl,
// pixelcnn.loss.png and pixelcnn.samples.png beside it; and pixelcnn.lock for as long as it runs. No file that another
// run has made is replaced unless that was asked for: it may stand for days of work.

import Foundation
import PixelCNNModel
import PixelCNNTraining
import Support

struct TrainingFiles {
    /// Where none is named; from the second run on it has a number.
    static let defaultOutput = "pixelcnn.pt"

    let output: String
    var checkpoint: String { stem + ".checkpoint.safetensors" }
    var log: String { stem + ".log.jsonl" }
    /// Sampled images: a PNG, or an array of more values than a PNG shows.
    func samples(isArray: Bool) -> String { stem + ".samples." + (isArray ? "npy" : "png") }
    var plot: String { stem + ".loss.png" }
    var lock: String { stem + ".lock" }

    /// The output's name without its folder.
    var name: String { String(output.dropFirst(folder.count)) }

    private var stem: String { String(output[..<(output.lastIndex(of: ".") ?? output.endIndex)]) }
    private var folder: String { output.lastIndex(of: "/").map { String(output[...$0]) } ?? "" }
    private var all: [String] {
        [output, checkpoint, log, plot, samples(isArray: false), samples(isArray: true)]
    }

    // MARK: - Which

    /// The files that a run writes, and the lock of them, to be kept until its end.
    ///
    /// - Parameters:
    ///   - output: the model's, as named; nil: the first of the default names that is free, or with `resume` the last
    ///     that has a checkpoint.
    ///   - resume: whether a run goes on.
    ///   - force: whether another run's files may be replaced.
    /// - Throws: ``Failure``: others are there, or cannot be written (73), or there is nothing to go on with (66).
    static func choose(
        _ output: String?, resume: Bool, force: Bool
    ) throws -> (files: TrainingFiles, lock: OutputLock) {
        if let output {
            let files = TrainingFiles(output: output)
            return (files, try files.prepared(resume: resume, force: force))
        }
        if resume {
            var files = TrainingFiles.numbered(1)
            for number in 2... {
                let next = TrainingFiles.numbered(number)
                guard next.existing != nil else { break }
                if exists(next.checkpoint) { files = next }
            }
            let lock = try files.prepared(resume: true, force: force)
            if files.output != defaultOutput {
                Console.say("going on with \(files.output), the last that was begun; --output names another")
            }
            return (files, lock)
        }
        if force {
            let files = TrainingFiles.numbered(1)
            return (files, try files.prepared(resume: false, force: true))
        }
        var number = 1
        while true {
            let files = TrainingFiles.numbered(number)
            if files.existing == nil {
                try files.checkWritable()
                if let lock = try OutputLock(files.lock) {
                    if files.existing == nil {
                        if number > 1 {
                            Console.say("\(defaultOutput) is there already; this run is written to \(files.output)")
                        }
                        return (files, lock)
                    }
                }
            }
            number += 1
        }
    }

    private static func numbered(_ number: Int) -> TrainingFiles {
        TrainingFiles(output: number == 1 ? defaultOutput : defaultOutput.replacing(".pt", with: "-\(number).pt"))
    }

    /// Takes the lock, where these files may be written.
    private func prepared(resume: Bool, force: Bool) throws -> OutputLock {
        try checkWritable()
        guard let lock = try OutputLock(lock) else {
            let process = OutputLock.holder(self.lock).map { " (process \($0))" } ?? ""
            throw Failure(
                .cannotCreate,
                "\(output): another run\(process) is writing to it; wait for its end, or name another "
                    + "--output")
        }
        if resume {
            guard Self.exists(checkpoint) else {
                throw Failure(.noInput, "\(checkpoint): no such file to go on with; leave out --resume to begin")
            }
        } else if !force, let existing {
            let resuming = Self.exists(checkpoint) ? "--resume goes on with its run, " : ""
            throw Failure(
                .cannotCreate,
                "\(existing) is there already; \(resuming)--force replaces it, --output names another")
        }
        return lock
    }

    /// A file that is there already; an empty one is not in the way.
    private var existing: String? { all.first(where: Self.exists) }

    private static func exists(_ path: String) -> Bool {
        guard let kind = FileKind(path: path) else { return false }
        return kind != .file || (try? OpenFile(path).byteCount) != 0
    }

    /// Finds out before hours of work whether all of it can be written.
    private func checkWritable() throws {
        for path in all {
            do throws(AtomicFileError) {
                try AtomicFile.check(path)
            } catch {
                throw ModelFileError(file: path, .cannotWrite(reason: error.reason))
            }
        }
    }

    // MARK: - Writing

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
    /// Whether it has no lines.
    private(set) var isEmpty = true

    /// The losses of a run, in nats per value, each with the steps taken.
    struct Losses {
        var steps: [(step: Int, loss: Double)] = []
        var train: [(step: Int, loss: Double)] = []
        var validation: [(step: Int, loss: Double)] = []
        var test: [(step: Int, loss: Double)] = []

        mutating func append(_ line: Line) {
            if let loss = line.loss { steps.append((line.step, loss)) }
            if let loss = line.epochLoss { train.append((line.step, loss)) }
            if let loss = line.validationLoss { validation.append((line.step, loss)) }
            if let loss = line.testLoss { test.append((line.step, loss)) }
        }
    }

    /// The step of the last epoch's end that the log has.
    var lastEpochEnd: Int { losses.train.last?.step ?? 0 }

    /// A step, or with `epochLoss` the end of an epoch, or with `settings` the beginning; losses in nats per value.
    struct Line: Codable {
        var step: Int
        var epoch: Int
        var loss: Double?
        var bitsPerDim: Double?
        var gradientNorm: Double?
        var learningRate: Double?
        var epochLoss: Double?
        var epochBitsPerDim: Double?
        var validationLoss: Double?
        var validationBitsPerDim: Double?
        var testLoss: Double?
        var testBitsPerDim: Double?
        var settings: [String: String]?
    }

    /// Opens the log and keeps its lines of the first `steps` steps.
    init(path: String, keeping steps: Int) throws(TrainingError) {
        self.path = path
        encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let text = steps > 0 ? try Self.text(of: path) : ""
        let kept = text.split(separator: "\n").compactMap { text in
            (try? decoder.decode(Line.self, from: Data(text.utf8))).map { (text: text, line: $0) }
        }.filter { $0.line.step <= steps }
        for line in kept { losses.append(line.line) }
        isEmpty = kept.isEmpty
        do throws(AtomicFileError) {
            try AtomicFile.write(Array(kept.map { $0.text + "\n" }.joined().utf8), to: path)
        } catch {
            throw .log(path, reason: "cannot be written: \(error.reason)")
        }
        guard let file = FileHandle(forWritingAtPath: path) else { throw .log(path, reason: "cannot be opened") }
        self.file = file
        _ = try? file.seekToEnd()
    }

    /// What a log holds so far: nothing, where there is none.
    private static func text(of path: String) throws(TrainingError) -> String {
        guard FileManager.default.fileExists(atPath: path) else { return "" }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw .log(path, reason: "cannot be read; make it readable, or move it away")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends a line.
    func append(_ line: Line) throws(TrainingError) {
        do {
            try file.write(contentsOf: encoder.encode(line) + Data("\n".utf8))
        } catch {
            throw .log(path, reason: "cannot be written")
        }
        losses.append(line)
        isEmpty = false
    }
}
