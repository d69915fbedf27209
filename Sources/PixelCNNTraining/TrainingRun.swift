// A run from its first step, or a checkpoint, to its last: epochs, batches, held-out losses, checkpoints. Where it
// stands is the number of steps taken; order and changes of images follow from seed and epoch, and what is dropped from
// seed and step, so a run that goes on from a checkpoint takes the very steps it would have taken.

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
    private let validation: ImageSet?
    private let checkpointPath: String
    private let conditions: [(name: String, value: String)]
    private var epochLoss = 0.0
    private var order: (epoch: Int, indices: [Int], augmentation: Augmentation)?
    private var best: BestEpoch?
    private var hasCheckpoint = false

    /// Steps of an epoch; the last may be of fewer images.
    package let stepsPerEpoch: Int
    /// Steps of the whole run.
    package var totalSteps: Int { settings.epochs * stepsPerEpoch }
    /// Whether all steps are taken, or no more are wanted.
    package var isFinished: Bool { trainer.steps >= totalSteps || hasLostPatience }
    /// Whether as many epochs as patience allows were no better than the best.
    package var hasLostPatience: Bool {
        guard let best, let patience = settings.patience else { return false }
        return best.last - best.epoch >= patience
    }
    /// The number, from 1, of the epoch that predicts the validation images best, and its mean loss in nats per value.
    package var bestEpoch: (epoch: Int, loss: Double)? { best.map { ($0.epoch, $0.loss) } }
    /// Epochs taken.
    package var epochs: Int { trainer.steps / stepsPerEpoch }
    /// Images of an epoch.
    package var imagesPerEpoch: Int { images.count }
    /// C · H · W.
    package var imageSize: Int { images.imageSize }
    /// Images that choose the best epoch; nil where none do.
    package var validationImages: Int? { validation?.count }

    /// A run that begins.
    ///
    /// - Parameters:
    ///   - train: images to learn from, quantised to the network's colours, or levels where they are binarised; with
    ///     classes, numbered as the network's, where it is conditional or classes are balanced.
    ///   - test: images for the test loss, quantised or binarised; with classes, likewise.
    ///   - validation: images that choose the best epoch, as those for the test loss; nil for the last epoch.
    ///   - checkpoint: the file that checkpoints go to.
    /// - Throws: ``TrainingError/otherImages(found:expected:)``.
    package init(
        _ settings: TrainingSettings, trainer: Trainer, train: ImageSet, test: ImageSet?,
        validation: ImageSet? = nil, checkpoint: String
    ) throws(TrainingError) {
        let size = trainer.hyperparameters
        let expected = "\(size.channels) × \(size.height) × \(size.width)"
        for set in [train, test, validation].compactMap(\.self) where set.shape != expected {
            throw .otherImages(found: set.shape, expected: expected)
        }
        let sets = [train, test, validation]
        precondition(!size.isConditional || sets.allSatisfy { $0 == nil || $0?.labels != nil }, "classes")
        precondition(settings.balance == 0 || train.labels != nil, "classes to balance")
        self.settings = settings
        self.trainer = trainer
        images = train
        self.test = test
        self.validation = validation
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
            + (validation.map { [("validation-data", $0.sha256()), ("validation-labels", $0.labels?.sha256() ?? "")] }
                ?? [])
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
        let (indices, augmentation) = order(of: epoch)
        let range = position * settings.batchSize..<min((position + 1) * settings.batchSize, indices.count)
        let optimizer = settings.optimizer(step: trainer.steps, total: totalSteps)
        let result = trainer.step(
            images.batch(indices[range]) { augmentation($0, $1) }, labels: labels(images, indices[range]), optimizer,
            dropout: settings.dropout(step: trainer.steps))
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

    /// Mean loss of the test images under the average of the weights where there is one; nil without test images, or
    /// once `isCancelled`, called now and then, is true.
    package func testLoss(isCancelled: () -> Bool = { false }) -> Evaluation.Mean? {
        test.flatMap { loss($0, isCancelled) }
    }

    /// Mean loss of the validation images, likewise. The epoch that has ended is the best one where no earlier one's is
    /// as low. Doing it again changes nothing.
    /// - Throws: `ModelFileError` where a weight is not finite.
    package func validate(isCancelled: () -> Bool = { false }) throws(ModelFileError) -> Evaluation.Mean? {
        guard let validation, let loss = loss(validation, isCancelled) else { return nil }
        if let best, best.loss <= loss.nats {
            self.best?.last = epochs
        } else {
            best = BestEpoch(
                epoch: epochs, loss: loss.nats, last: epochs,
                model: try trainer.model(averaged: settings.averageDecay > 0))
        }
        return loss
    }

    private func loss(_ set: ImageSet, _ isCancelled: () -> Bool) -> Evaluation.Mean? {
        var (sum, means) = (0.0, [Double]())
        for start in stride(from: 0, to: set.count, by: 256) {
            if isCancelled() { return nil }
            let range = start..<min(start + 256, set.count)
            let (batch, labels) = (set.batch(range), labels(set, range))
            let losses = trainer.losses(batch, labels: labels, averaged: settings.averageDecay > 0)
            sum += losses.joined().reduce(0, +)
            means += losses.map { $0.reduce(0, +) / Double(set.imageSize) }
        }
        return Evaluation.Mean(means, nats: sum / Double(set.values.count))
    }

    /// The classes of some images, where the network is conditional.
    private func labels(_ set: ImageSet, _ indices: some Collection<Int>) -> [Int] {
        trainer.hyperparameters.isConditional ? set.labels(indices) : []
    }

    /// The order of an epoch's images, and what it changes of them.
    private func order(of epoch: Int) -> (indices: [Int], augmentation: Augmentation) {
        if let order, order.epoch == epoch { return (order.indices, order.augmentation) }
        var generator = TrainingGenerator(seed: settings.seed, .order, epoch: epoch)
        let indices = balanced(&generator).shuffled(using: &generator)
        let augmentation = Augmentation(settings, epoch: epoch, images: images)
        order = (epoch, indices, augmentation)
        return (indices, augmentation)
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
        try Checkpoint(snapshot: snapshot, epochLoss: epochLoss, conditions: conditions, best: best).write(
            to: checkpointPath)
        hasCheckpoint = true
    }

    /// What is known of a checkpoint that a run goes on from.
    package struct Resumption {
        /// Whether the file has a digest, by which damage is seen; those of earlier versions have none.
        package let hasDigest: Bool
        /// Where the run is longer now: the epochs that it was to have, and the learning rates of the last step taken
        /// and of the next.
        package let lengthened: (epochs: Int, lastRate: Double, nextRate: Double)?
        /// The patience that the run had, where it is more now.
        package let patience: Int?
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
        best = checkpoint.best
        hasCheckpoint = true
        let patience = checkpoint.number("patience").flatMap { $0 == settings.patience ? nil : $0 }
        guard let before = checkpoint.number("epochs"), before < settings.epochs, trainer.steps > 0 else {
            return Resumption(hasDigest: hasDigest, lengthened: nil, patience: patience)
        }
        let last = settings.optimizer(step: trainer.steps - 1, total: before * stepsPerEpoch).rate
        let next = settings.optimizer(step: trainer.steps, total: totalSteps).rate
        return Resumption(hasDigest: hasDigest, lengthened: (before, last, next), patience: patience)
    }

    /// What has been learnt: the average of the weights where there is one; of the best epoch, once there is one.
    /// - Throws: `ModelFileError` where a weight is not finite.
    package func model() throws(ModelFileError) -> Model {
        if let best { return best.model }
        return try trainer.model(averaged: settings.averageDecay > 0)
    }
}
