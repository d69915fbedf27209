// A run cut short, in a file: safetensors with the weights under their own names, so that it is a model like any other,
// Adam's moments and the average beside them, and in the metadata where the run stands and under which settings.

import PixelCNNModel

/// All that a run needs to go on bit by bit.
struct Checkpoint {
    let snapshot: TrainerSnapshot
    /// Sum of −ln p, in nats per value, over the images of the epoch that has begun.
    let epochLoss: Double
    /// Names and values that must be the same for the run to go on.
    let conditions: [(name: String, value: String)]

    private static let prefixes = ["average.", "mean.", "square."]
    private static let conditionPrefix = "training.condition."

    /// Writes the file whole or not at all.
    func write(to path: String) throws(ModelFileError) {
        var extra: [Tensor] = []
        for (prefix, model) in zip(Self.prefixes, [snapshot.averages, snapshot.means, snapshot.squares]) {
            for spec in model.hyperparameters.parameters {
                extra.append(Tensor(name: prefix + spec.name, shape: spec.shape, floats: model[spec.name].floats()))
            }
        }
        var metadata = [
            "training.steps": "\(snapshot.steps)", "training.epoch_loss": "\(epochLoss.bitPattern)",
        ]
        for (name, value) in conditions { metadata[Self.conditionPrefix + name] = value }
        try snapshot.weights.writeSafetensors(to: path, extra: extra, metadata: metadata)
    }

    /// Reads a checkpoint of a run under the same conditions.
    /// - Throws: `ModelFileError` where the file is no model; ``TrainingError`` where it is no checkpoint, or one of a
    ///   run under other conditions.
    static func read(_ path: String, conditions: [(name: String, value: String)]) throws -> Checkpoint {
        let contents = try ModelContents.read(path: path)
        let weights = try Model(contents)
        guard let steps = contents.metadata["training.steps"].flatMap({ Int($0) }),
            let loss = contents.metadata["training.epoch_loss"].flatMap({ UInt64($0) })
        else { throw TrainingError.notACheckpoint(path) }
        for (name, value) in conditions {
            let found = contents.metadata[conditionPrefix + name] ?? "not said"
            guard found == value else { throw TrainingError.otherRun(path, what: name, found: found, expected: value) }
        }
        let parts = try prefixes.map { prefix in
            let tensors = contents.tensors.filter { $0.name.hasPrefix(prefix) }.map {
                Tensor(name: String($0.name.dropFirst(prefix.count)), shape: $0.shape, floats: $0.floats())
            }
            return try Model(hyperparameters: weights.hyperparameters, tensors: tensors)
        }
        return Checkpoint(
            snapshot: TrainerSnapshot(
                steps: steps, weights: weights, averages: parts[0], means: parts[1], squares: parts[2]),
            epochLoss: Double(bitPattern: loss), conditions: conditions)
    }
}

/// Weights, their average, and Adam's moments after a number of steps.
struct TrainerSnapshot {
    let steps: Int
    let weights, averages: Model
    /// Running means of the gradients, and of their squares.
    let means, squares: Model
}
