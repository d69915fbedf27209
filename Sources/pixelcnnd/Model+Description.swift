// The model in words: for the log and `--check`, and for `GET /v1/model`.

import PixelCNNAPI
import PixelCNNEngine
import PixelCNNModel

extension Model {
    /// One line: file, format, shape, size, digest.
    var summary: String {
        let h = hyperparameters
        return
            "\(source.path): \(source.format.rawValue), \(h.channels) × \(h.height) × \(h.width) images of "
            + "\(h.colors) values, \(h.blocks) blocks of \(h.filters) filters, \(h.parameterCount) parameters, "
            + (h.isConditional ? "\(h.labels) classes, " : "") + "sha256 \(source.sha256)"
    }

    /// What the protocol tells of the model and the engine that has it.
    func description(of engine: Engine, threads: Int) -> ModelDescription {
        let h = hyperparameters
        return ModelDescription(
            channels: h.channels, height: h.height, width: h.width, colors: h.colors, blocks: h.blocks,
            filters: h.filters, kernelSize: h.kernelSize, hidden: h.hidden, parameters: h.parameterCount,
            labels: h.labels, labelNames: labelNames, file: source.path,
            bytes: source.byteCount, format: source.format.rawValue, sha256: source.sha256,
            warnings: source.warnings.map(\.description), precision: engine.precision.rawValue,
            instructionSet: engine.instructionSet, threads: threads)
    }
}

extension ModelWarning {
    /// The warning for whoever starts the daemon, with what its options can do about it.
    var advised: String {
        switch self {
        case .assumedImageSize: "\(self) (choose with --height and --width)"
        default: "\(self)"
        }
    }
}
