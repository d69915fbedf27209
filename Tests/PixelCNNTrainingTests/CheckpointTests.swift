// A checkpoint is what was written, or it is refused: whatever single bit has changed, wherever it ends.

import Foundation
import PixelCNNModel
import TestSupport
import Testing

@testable import PixelCNNTraining

@Suite struct CheckpointTests {
    private let directory: TemporaryFolder
    private var path: String { directory.path("run.checkpoint.safetensors") }
    private let conditions = [(name: "seed", value: "1"), (name: "data", value: "none")]

    init() throws { directory = try TemporaryFolder() }

    /// A run of the fixture's network, some steps along.
    private func checkpoint(
        steps: Int = 7, epochLoss: Double = 3.5, squares: (Float) -> Float = { $0 * $0 },
        best: ((Model) -> BestEpoch)? = { BestEpoch(epoch: 2, loss: 1.5, last: 3, model: $0) }
    ) throws -> Checkpoint {
        let fixture = try TrainingFixture("training-conditional")
        let squared = try Model(
            hyperparameters: fixture.gradient.hyperparameters,
            tensors: fixture.gradient.hyperparameters.parameters.map { spec in
                Tensor(name: spec.name, shape: spec.shape, floats: fixture.gradient[spec.name].floats().map(squares))
            })
        return Checkpoint(
            snapshot: TrainerSnapshot(
                steps: steps, weights: fixture.start, averages: fixture.end, means: fixture.gradient, squares: squared),
            epochLoss: epochLoss, conditions: conditions, best: best.map { $0(fixture.end) })
    }

    /// All that a run would go on with.
    private func contents(_ checkpoint: Checkpoint) -> [Data] {
        let snapshot = checkpoint.snapshot
        let best = checkpoint.best.map { "\($0.epoch) \($0.loss.bitPattern) \($0.last)" } ?? "none"
        let texts = ["\(snapshot.steps)", "\(checkpoint.epochLoss.bitPattern)", best] + snapshot.weights.labelNames
        let models = [snapshot.weights, snapshot.averages, snapshot.means, snapshot.squares]
        return texts.map { Data($0.utf8) }
            + (models + (checkpoint.best.map { [$0.model] } ?? [])).flatMap { model in
                model.hyperparameters.parameters.map { spec in
                    model[spec.name].floats().withUnsafeBytes { Data($0) }
                }
            }
    }

    @Test func itIsReadAsItWasWritten() throws {
        for checkpoint in [try checkpoint(), try checkpoint(best: nil)] {
            try checkpoint.write(to: path)
            let (read, hasDigest) = try Checkpoint.read(path, conditions: conditions)
            #expect(hasDigest)
            #expect(contents(read) == contents(checkpoint))
        }
    }

    /// A setting that is on in only one of the two is another run's; lengths may grow.
    @Test func settingsThatAreAddedOrLeftOutAreNamed() throws {
        func error(_ conditions: [(name: String, value: String)]) -> String {
            do {
                _ = try Checkpoint.read(path, conditions: conditions)
                return ""
            } catch {
                return "\(error)"
            }
        }
        let checkpoint = try checkpoint()
        let with = conditions + [(name: "dropout", value: "0.3"), (name: "patience", value: "5")]
        try Checkpoint(
            snapshot: checkpoint.snapshot, epochLoss: 1, conditions: with, best: checkpoint.best
        ).write(to: path)
        #expect(error(with).isEmpty)
        #expect(error(with.dropLast() + [(name: "patience", value: "8")]).isEmpty)
        #expect(error(with.dropLast() + [(name: "patience", value: "4")]).contains("patience was 5 and is now 4"))
        #expect(error(conditions).contains("dropout was 0.3 and is now not set"))
        #expect(error(with + [(name: "shift", value: "2")]).contains("shift was not set and is now 2"))
    }

    @Test func everyBitThatChangesIsRefusedOrHarmless() throws {
        let checkpoint = try checkpoint()
        try checkpoint.write(to: path)
        let expected = contents(checkpoint)
        let bytes = try Data(contentsOf: URL(filePath: path))
        let header = Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2]) << 16
        var generator = SplitMix(seed: 17)
        var refused = 0
        for round in 0..<1500 {
            // Half of them in the header, which is a fraction of the file.
            let byte = Int.random(in: 0..<(round % 2 == 0 ? header + 8 : bytes.count), using: &generator)
            let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            var damaged = bytes
            damaged[byte] ^= bit
            try damaged.write(to: URL(filePath: path))
            do {
                let (read, _) = try Checkpoint.read(path, conditions: conditions)
                #expect(contents(read) == expected, "byte \(byte), bit \(bit)")
            } catch {
                refused += 1
            }
        }
        #expect(refused > 1200)
    }

    @Test func everyTruncationIsRefused() throws {
        try checkpoint().write(to: path)
        let bytes = try Data(contentsOf: URL(filePath: path))
        var generator = SplitMix(seed: 18)
        for _ in 0..<200 {
            try bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator)).write(to: URL(filePath: path))
            #expect(throws: (any Error).self) { try Checkpoint.read(path, conditions: conditions) }
        }
    }

    /// Whole files, with a digest that is theirs.
    @Test func numbersThatNoRunComesToAreRefused() throws {
        let bad: [(String, Checkpoint)] = [
            ("a negative value", try checkpoint(squares: { -$0 * $0 - 1 })),
            ("training.steps is -1", try checkpoint(steps: -1)),
            ("training.epoch_loss is nan", try checkpoint(epochLoss: .nan)),
            ("training.epoch_loss is inf", try checkpoint(epochLoss: .infinity)),
            ("training.epoch_loss is -1.0", try checkpoint(epochLoss: -1)),
            (
                "the best of 3 epochs is 4",
                try checkpoint(best: { BestEpoch(epoch: 4, loss: 1, last: 3, model: $0) })
            ),
            (
                "the best of 3 epochs is 1, of the loss nan",
                try checkpoint(best: { BestEpoch(epoch: 1, loss: .nan, last: 3, model: $0) })
            ),
        ]
        for (words, checkpoint) in bad {
            try checkpoint.write(to: path)
            let error = try #require(throws: TrainingError.self) {
                try Checkpoint.read(path, conditions: conditions)
            }
            #expect("\(error)".contains(words), "\(error)")
        }
    }
}
