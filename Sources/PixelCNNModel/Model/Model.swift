// A gated PixelCNN's weights, complete and checked. What holds a Model need not check anything again: every parameter is
// there, in its shape, finite as float32, and any mask its file stored is the one the network must have.

/// Hyperparameters and parameters of a gated PixelCNN.
public struct Model: Sendable {
    /// Size of the images and of the network.
    public let hyperparameters: Hyperparameters
    /// Where the parameters came from.
    public let source: ModelSource
    private let parameters: [String: Tensor]

    /// A parameter by its canonical name, such as `gated_layers.3.h_conv.weight`; the name must be one of
    /// `hyperparameters.parameters`. Masks are not among them: they are derived, from `hyperparameters.masks`.
    public subscript(name: String) -> Tensor {
        guard let tensor = parameters[name] else { preconditionFailure("the network has no parameter \(name)") }
        return tensor
    }

    /// Checks tensors against a network's size, as if they had been loaded.
    ///
    /// - Parameter tensors: every parameter under its canonical name; masks may be among them.
    /// - Throws: `ModelFileError` naming the tensor that is missing, misshapen, not finite or a wrong mask.
    public init(hyperparameters: Hyperparameters, tensors: [Tensor]) throws(ModelFileError) {
        let validated: ModelValidation
        do throws(ModelDataError) {
            validated = try ModelValidation(hyperparameters, tensors)
        } catch {
            throw ModelFileError(file: ModelFormat.memory.rawValue, .model(error))
        }
        self.init(hyperparameters, validated.parameters, warnings: validated.warnings)
    }

    init(hyperparameters: Hyperparameters, parameters: [String: Tensor], source: ModelSource) {
        self.hyperparameters = hyperparameters
        self.parameters = parameters
        self.source = source
    }

    /// A model in memory from parameters known to be right; identified by the hash of its parameters.
    init(_ hyperparameters: Hyperparameters, _ parameters: [String: Tensor], warnings: [String]) {
        var hash = SHA256()
        for spec in hyperparameters.parameters {
            parameters[spec.name]?.withFloats { hash.update(UnsafeRawBufferPointer($0)) }
        }
        self.init(
            hyperparameters: hyperparameters, parameters: parameters,
            source: ModelSource(
                path: "", byteCount: hyperparameters.parameterCount * MemoryLayout<Float>.size,
                sha256: hash.hexadecimal(), format: .memory, warnings: warnings))
    }
}
