// A gated PixelCNN's weights, complete and checked. What holds a Model need not check anything again: every parameter
// is there, in its shape, finite as float32, and any mask its file stored is the one the network must have.

import Support

/// Hyperparameters and parameters of a gated PixelCNN.
package struct Model: Sendable {
    /// Size of the images and of the network.
    package let hyperparameters: Hyperparameters
    /// Where the parameters came from.
    package let source: ModelSource
    /// Names of the classes, by number; empty where the file has none or the network is unconditional.
    package let labelNames: [String]
    private let parameters: [String: Tensor]

    /// A parameter by its canonical name, such as `gated_layers.3.h_conv.weight`; the name must be one of
    /// `hyperparameters.parameters`. Masks are not among them: they are derived, from `hyperparameters.masks`.
    package subscript(name: String) -> Tensor {
        guard let tensor = parameters[name] else { preconditionFailure("the network has no parameter \(name)") }
        return tensor
    }

    /// Checks tensors against a network's size, as if they had been loaded.
    ///
    /// - Parameters:
    ///   - tensors: every parameter under its canonical name; masks may be among them.
    ///   - labelNames: a name for each class of a conditional network, or none.
    /// - Throws: `ModelFileError` naming the tensor that is missing, misshapen, not finite or a wrong mask, or the name
    ///   that cannot be one.
    package init(
        hyperparameters: Hyperparameters, tensors: [Tensor], labelNames: [String] = []
    ) throws(ModelFileError) {
        let validated: ModelValidation
        do throws(ModelDataError) {
            try LabelNames.check(labelNames, labels: hyperparameters.labels)
            validated = try ModelValidation(hyperparameters, tensors)
        } catch {
            throw ModelFileError(file: ModelFormat.memory.rawValue, .model(error))
        }
        self.init(hyperparameters, validated.parameters, labelNames: labelNames, warnings: validated.warnings)
    }

    init(
        hyperparameters: Hyperparameters, parameters: [String: Tensor], labelNames: [String], source: ModelSource
    ) {
        self.hyperparameters = hyperparameters
        self.parameters = parameters
        self.labelNames = labelNames
        self.source = source
    }

    /// A model in memory from parameters known to be right; identified by the hash of its parameters.
    init(
        _ hyperparameters: Hyperparameters, _ parameters: [String: Tensor], labelNames: [String] = [],
        warnings: [String]
    ) {
        var hash = SHA256()
        for spec in hyperparameters.parameters {
            parameters[spec.name]?.withFloats { hash.update(UnsafeRawBufferPointer($0)) }
        }
        self.init(
            hyperparameters: hyperparameters, parameters: parameters, labelNames: labelNames,
            source: ModelSource(
                path: "", byteCount: hyperparameters.parameterCount * MemoryLayout<Float>.size,
                sha256: hash.hexadecimal(), format: .memory, warnings: warnings))
    }
}
