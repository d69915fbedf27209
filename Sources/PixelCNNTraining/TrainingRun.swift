// A run from its first step, or a checkpoint, to its last: epochs, batches, the test loss, checkpoints. Where it stands
// is the number of steps taken; order and mirroring of images follow from seed and epoch, so a run that goes on from a
// checkpoint takes the very steps it would have taken.

import Foundation
import PixelCNNModel

/// One training run.
package final class TrainingRun {
    /// Under what settings.
    package let settings: TrainingSettings
    /// The network that learns.
    package let trainer: Trainer
    private let images: ImageSet
    private let test: ImageSet?
    private let checkpointPath: String
    private let conditions: [(name: String, value: String)]
    private var epochLoss = 0.0
    private var order: (epoch: Int, indices: [Int], flips: [Bool])?
    private var hasCheckpoint = false

    /// Steps of an epoch; the last may be of fewer images.
    package let stepsPerEpoch: Int
    /// Steps of the whole run.
    package var totalSteps: Int { settings.epochs * stepsPerEpoch }
    /// Whether all steps are taken.
    package var isFinished: Bool { trainer.steps >= totalSteps }
    /// Images of an epoch.
    package var imagesPerEpoch: Int { images.count }

    /// A run that begins.
    ///
    /// - Parameters:
    ///   - train: images to learn from, quantised to the network's colours; with classes, numbered as the network's,
    ///     where it is conditional or classes are balanced.
    ///   - test: images for the test loss, likewise.
    ///   - checkpoint: the file that checkpoints go to.
    /// - Throws: ``TrainingError/otherImages(found:expected:)``.
    package init(
        _ settings: TrainingSettings, trainer: Trainer, train: ImageSet, test: ImageSet?, checkpoint: String
    ) throws(TrainingError) {
        let size = trainer.hyperparameters
        let expected = "\(size.channels) × \(size.height) × \(size.width)"
        for set in [train, test].compactMap(\.self) where set.shape != expected {
            throw .otherImages(found: set.shape, expected: expected)
        }
        precondition(!size.isConditional || [train, test].allSatisfy { $0 == nil || $0?.labels != nil }, "classes")
        precondition(settings.balance == 0 || train.labels != nil, "classes to balance")
        self.settings = settings
        self.trainer = trainer
        images = train
        self.test = test
        checkpointPath = checkpoint
        stepsPerEpoch = (train.count + settings.batchSize - 1) / settings.batchSize
        conditions =
            settings.described + [
                ("data", train.sha256()),
                (
                    "network",
                    (size.network == .original ? "" : size.network.rawValue + " ")
                        + "\(size.blocks) x \(size.filters) x \(size.kernelSize) x \(size.hidden), "
                        + "\(size.colors) colors"
                ),
            ] + (train.labels.map { [("labels", $0.sha256())] } ?? [])
    }

    // MARK: - Steps

    /// What a step did.
    package struct Progress: Sendable {
        /// Steps taken so far.
        package let step: Int
        /// The epoch the step belongs to, from 1.
        package let epoch: Int
        /// Images of the step.
        package let images: Int
        /// What it found.
        package let result: StepResult
        /// Its learning rate.
        package let rate: Double
    }

    /// Takes the next step.
    /// - Throws: ``TrainingError/diverged(step:checkpoint:)``; nothing has changed then.
    package func step() throws(TrainingError) -> Progress {
        let (epoch, position) = trainer.steps.quotientAndRemainder(dividingBy: stepsPerEpoch)
        let (indices, flips) = order(of: epoch)
        let range = position * settings.batchSize..<min((position + 1) * settings.batchSize, indices.count)
        let optimizer = settings.optimizer(step: trainer.steps, total: totalSteps)
        let result = trainer.step(
            images.batch(indices[range]) { flips[$0] }, labels: labels(images, indices[range]), optimizer)
        guard result.loss.isFinite, result.gradientNorm.isFinite else {
            throw .diverged(step: trainer.steps + 1, checkpoint: hasCheckpoint ? checkpointPath : nil)
        }
        epochLoss = (position == 0 ? 0 : epochLoss) + result.loss * Double(range.count)
        return Progress(
            step: trainer.steps, epoch: epoch + 1, images: range.count, result: result, rate: optimizer.rate)
    }

    /// Whether the step taken last ended an epoch.
    package var isAtEpochEnd: Bool { trainer.steps > 0 && trainer.steps % stepsPerEpoch == 0 }

    /// Mean loss, in nats per value, over the steps of the epoch that has ended.
    package var trainingLoss: Double { epochLoss / Double(images.count) }

    /// Mean loss of the test images, in nats per value, under the average of the weights where there is one; nil
    /// without test images, or once `isCancelled`, called now and then, is true.
    package func testLoss(isCancelled: () -> Bool = { false }) -> Double? {
        guard let test else { return nil }
        var sum = 0.0
        for start in stride(from: 0, to: test.count, by: 256) {
            if isCancelled() { return nil }
            let range = start..<min(start + 256, test.count)
            let (batch, labels) = (test.batch(range), labels(test, range))
            sum += trainer.losses(batch, labels: labels, averaged: settings.averageDecay > 0).joined().reduce(0, +)
        }
        return sum / Double(test.values.count)
    }

    /// The classes of some images, where the network is conditional.
    private func labels(_ set: ImageSet, _ indices: some Collection<Int>) -> [Int] {
        trainer.hyperparameters.isConditional ? set.labels(indices) : []
    }

    /// The order of an epoch's images, and which of them are mirrored.
    private func order(of epoch: Int) -> (indices: [Int], flips: [Bool]) {
        if let order, order.epoch == epoch { return (order.indices, order.flips) }
        var generator = TrainingGenerator(seed: settings.seed, .order, epoch: epoch)
        let indices = balanced(&generator).shuffled(using: &generator)
        generator = TrainingGenerator(seed: settings.seed, .flips, epoch: epoch)
        let flips = (0..<images.count).map { _ in settings.flips && generator.next() >> 63 == 1 }
        order = (epoch, indices, flips)
        return (indices, flips)
    }

    /// The images of an epoch, as many as there are: each once, or, where classes are balanced, some more often and
    /// some not at all, those of a class as evenly as can be.
    private func balanced(_ generator: inout TrainingGenerator) -> [Int] {
        guard settings.balance > 0, let labels = images.labels else { return Array(0..<images.count) }
        let members = Dictionary(grouping: 0..<images.count) { labels.values[$0] }.sorted { $0.key < $1.key }
            .map { $0.value }
        let weights = members.map { pow(Double($0.count), 1 - settings.balance) }
        var (indices, weight) = ([Int](), 0.0)
        for (members, share) in zip(members, weights) {
            weight += share
            let end = (Double(images.count) * weight / weights.reduce(0, +)).rounded()
            let count = Int(end) - indices.count
            for _ in 0..<count / members.count { indices += members }
            indices += members.shuffled(using: &generator).prefix(count % members.count)
        }
        return indices
    }

    // MARK: - Files

    /// Writes where the run stands, over the last checkpoint.
    /// - Throws: `ModelFileError` where the file cannot be written; the last checkpoint is still there.
    ///   ``TrainingError`` where a weight is not finite.
    package func writeCheckpoint() throws {
        let snapshot: TrainerSnapshot
        do {
            snapshot = try trainer.snapshot()
        } catch {
            throw TrainingError.diverged(step: trainer.steps, checkpoint: hasCheckpoint ? checkpointPath : nil)
        }
        try Checkpoint(snapshot: snapshot, epochLoss: epochLoss, conditions: conditions).write(to: checkpointPath)
        hasCheckpoint = true
    }

    /// What is known of a checkpoint that a run goes on from.
    package struct Resumption {
        /// Whether the file has a digest, by which damage is seen; those of earlier versions have none.
        package let hasDigest: Bool
        /// Where the run is longer now: the epochs that it was to have, and the learning rates of the last step taken
        /// and of the next.
        package let lengthened: (epochs: Int, lastRate: Double, nextRate: Double)?
    }

    /// Goes on where the checkpoint stands, perhaps for more epochs than the run was begun with: what is left is as if
    /// it had been as long from the start.
    /// - Throws: `ModelFileError` or ``TrainingError`` where the file is not this run's checkpoint, or is damaged.
    package func resume() throws -> Resumption {
        let (checkpoint, hasDigest) = try Checkpoint.read(checkpointPath, conditions: conditions)
        guard checkpoint.snapshot.steps <= totalSteps else {
            throw TrainingError.impossibleCheckpoint(
                checkpointPath, what: "training.steps is \(checkpoint.snapshot.steps); the run has \(totalSteps)")
        }
        trainer.restore(checkpoint.snapshot)
        epochLoss = checkpoint.epochLoss
        hasCheckpoint = true
        guard let before = checkpoint.epochs, before < settings.epochs, trainer.steps > 0 else {
            return Resumption(hasDigest: hasDigest, lengthened: nil)
        }
        let last = settings.optimizer(step: trainer.steps - 1, total: before * stepsPerEpoch).rate
        let next = settings.optimizer(step: trainer.steps, total: totalSteps).rate
        return Resumption(hasDigest: hasDigest, lengthened: (before, last, next))
    }

    /// What has been learnt: the average of the weights where there is one.
    /// - Throws: `ModelFileError` where a weight is not finite.
    package func model() throws(ModelFileError) -> Model { try trainer.model(averaged: settings.averageDecay > 0) }
}
