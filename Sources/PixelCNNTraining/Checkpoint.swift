// A run cut short, in a file: safetensors with the weights under their own names, so that it is a model like any other,
// Adam's moments and the average beside them, and in the metadata where the run stands, under which settings, and the
// digest of all that. A bit that has changed since would change the model that comes out at the end, and nothing else
// would show it.

import PixelCNNModel
import Support

/// All that a run needs to go on bit by bit.
struct Checkpoint {
    let snapshot: TrainerSnapshot
    /// Sum of −ln p, in nats per value, over the images of the epoch that has begun.
    let epochLoss: Double
    /// Names and values that must be the same for the run to go on.
    let conditions: [(name: String, value: String)]
    /// What the validation images have chosen so far; nil without such images, or before their first choice.
    let best: BestEpoch?

    private static let prefixes = ["average.", "mean.", "square."]
    private static let conditionPrefix = "training.condition."
    private static let digestKey = "training.sha256"
    private static let bestPrefix = "best."
    private static let (bestEpoch, bestLoss, bestLast) = (
        "training.best_epoch", "training.best_loss", "training.validated_epochs"
    )
    /// Conditions that may be numbers above those that a run was begun with.
    private static let lengths: Set = ["epochs", "patience"]

    /// A number among the conditions of the run that wrote it; nil where it is none.
    func number(_ name: String) -> Int? { conditions.first { $0.name == name }.flatMap { Int($0.value) } }

    /// Writes the file whole or not at all.
    func write(to path: String) throws(ModelFileError) {
        var extra: [Tensor] = []
        let models = Array(zip(Self.prefixes, [snapshot.averages, snapshot.means, snapshot.squares]))
        for (prefix, model) in models + (best.map { [(Self.bestPrefix, $0.model)] } ?? []) {
            for spec in model.description.parameters {
                extra.append(Tensor(name: prefix + spec.name, shape: spec.shape, floats: model[spec.name].floats()))
            }
        }
        var metadata = [
            "training.steps": "\(snapshot.steps)", "training.epoch_loss": "\(epochLoss.bitPattern)",
            Self.digestKey: sha256(),
        ]
        for (name, value) in conditions { metadata[Self.conditionPrefix + name] = value }
        if let best {
            metadata[Self.bestEpoch] = "\(best.epoch)"
            metadata[Self.bestLoss] = "\(best.loss.bitPattern)"
            metadata[Self.bestLast] = "\(best.last)"
        }
        try snapshot.weights.writeSafetensors(to: path, extra: extra, metadata: metadata)
    }

    /// Reads a checkpoint of a run under the same conditions.
    ///
    /// The numbers of epochs and of patience may be less than they are now: a run that has become longer.
    ///
    /// - Returns: the checkpoint, and whether the file has a digest: earlier ones have none.
    /// - Throws: `ModelFileError` where the file is no model; ``TrainingError`` where it is no checkpoint, a damaged
    ///   one, or one of a run under other conditions.
    static func read(
        _ path: String, conditions: [(name: String, value: String)]
    ) throws -> (checkpoint: Checkpoint, hasDigest: Bool) {
        let contents = try ModelContents.read(path: path)
        let weights = try Model(contents)
        guard let steps = contents.metadata["training.steps"].flatMap({ Int($0) }),
            let loss = contents.metadata["training.epoch_loss"].flatMap({ UInt64($0) })
        else { throw TrainingError.notACheckpoint(path) }
        let absent = "not set"
        let names = Set(conditions.map { conditionPrefix + $0.name })
        if let other = contents.metadata.keys.sorted().first(where: {
            $0.hasPrefix(conditionPrefix) && !names.contains($0)
        }) {
            throw TrainingError.otherRun(
                path, what: String(other.dropFirst(conditionPrefix.count)), found: contents.metadata[other] ?? absent,
                expected: absent)
        }
        // Those that it was written under, which its digest is of.
        let found = conditions.map { ($0.name, contents.metadata[conditionPrefix + $0.name] ?? absent) }
        for ((name, found), (_, value)) in zip(found, conditions) where found != value {
            if lengths.contains(name), let before = Int(found), let now = Int(value), before < now { continue }
            throw TrainingError.otherRun(path, what: name, found: found, expected: value)
        }
        func model(_ prefix: String, labelNames: [String] = []) throws -> Model {
            let tensors = contents.tensors.filter { $0.name.hasPrefix(prefix) }.map {
                Tensor(name: String($0.name.dropFirst(prefix.count)), shape: $0.shape, floats: $0.floats())
            }
            return try Model(
                hyperparameters: weights.hyperparameters, description: weights.description, tensors: tensors,
                labelNames: labelNames)
        }
        let parts = try prefixes.map { try model($0) }
        let numbers = [bestEpoch, bestLoss, bestLast].map { contents.metadata[$0].flatMap { UInt64($0) } }
        var best: BestEpoch?
        if let epoch = numbers[0], let loss = numbers[1], let last = numbers[2] {
            best = BestEpoch(
                epoch: Int(clamping: epoch), loss: Double(bitPattern: loss), last: Int(clamping: last),
                model: try model(bestPrefix, labelNames: weights.labelNames))
        }
        let checkpoint = Checkpoint(
            snapshot: TrainerSnapshot(
                steps: steps, weights: weights, averages: parts[0], means: parts[1], squares: parts[2]),
            epochLoss: Double(bitPattern: loss), conditions: found, best: best)
        let digest = contents.metadata[digestKey]
        guard digest == nil || digest == checkpoint.sha256() else { throw TrainingError.damagedCheckpoint(path) }
        try checkpoint.checkNumbers(path)
        return (checkpoint, digest != nil)
    }

    /// Refuses what no run has come to. A model's numbers are finite wherever it was read from.
    private func checkNumbers(_ path: String) throws(TrainingError) {
        guard snapshot.steps >= 0 else {
            throw .impossibleCheckpoint(
                path, what: "training.steps is \(snapshot.steps); no number of steps is below 0")
        }
        guard epochLoss.isFinite, epochLoss >= 0 else {
            throw .impossibleCheckpoint(path, what: "training.epoch_loss is \(epochLoss); a loss is 0 or more")
        }
        if let best, !(best.loss.isFinite && best.loss >= 0 && 0 < best.epoch && best.epoch <= best.last) {
            throw .impossibleCheckpoint(
                path, what: "the best of \(best.last) epochs is \(best.epoch), of the loss \(best.loss)")
        }
        for spec in snapshot.squares.description.parameters {
            guard let index = snapshot.squares[spec.name].floats().firstIndex(where: { $0 < 0 }) else { continue }
            throw .impossibleCheckpoint(
                path, what: "square.\(spec.name) has a negative value, at \(index); the mean of squares has none")
        }
    }

    /// SHA-256 of everything that the run goes on with.
    private func sha256() -> String {
        var hash = SHA256()
        func update(_ text: String) {
            // The length first, so that no two lists of texts are the same bytes.
            Array("\(text.utf8.count):\(text)".utf8).withUnsafeBytes { hash.update($0) }
        }
        update("\(snapshot.steps)")
        update("\(epochLoss.bitPattern)")
        for (name, value) in conditions {
            update(name)
            update(value)
        }
        if let best { update("best \(best.epoch) \(best.loss.bitPattern) \(best.last)") }
        let models = [snapshot.weights, snapshot.averages, snapshot.means, snapshot.squares]
        for model in models + (best.map { [$0.model] } ?? []) {
            for field in Hyperparameters.Field.allCases { update("\(field.rawValue) \(model.hyperparameters[field])") }
            for name in snapshot.weights.labelNames { update(name) }
            for spec in model.description.parameters {
                update(spec.name)
                model[spec.name].floats().withUnsafeBytes { hash.update($0) }
            }
        }
        return hash.hexadecimal()
    }
}

/// The epoch, of those so far, that predicts the validation images best.
struct BestEpoch {
    /// Its number, from 1.
    let epoch: Int
    /// Its mean loss, in nats per value.
    let loss: Double
    /// The last epoch that was compared with it.
    var last: Int
    /// What had been learnt then.
    let model: Model
}

/// Weights, their average, and Adam's moments after a number of steps.
struct TrainerSnapshot {
    let steps: Int
    let weights, averages: Model
    /// Running means of the gradients, and of their squares.
    let means, squares: Model
}
