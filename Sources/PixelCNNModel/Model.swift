// A gated PixelCNN's weights, complete and checked. What holds a Model need not check anything again: every parameter
// is there, in its shape, finite as float32, and any mask its file stored is the one the network must have.

import Support

/// Hyperparameters and parameters of a gated PixelCNN.
package struct Model: Sendable {
    /// Size of the images and of the network.
    package let hyperparameters: Hyperparameters
    /// The network's layers.
    package let description: NetworkDescription
    /// Where the parameters came from.
    package let source: ModelSource
    /// Names of the classes, by number; empty where the file has none or the network is unconditional.
    package let labelNames: [String]
    private let parameters: [String: Tensor]

    /// A parameter by its canonical name, such as `gated_layers.3.h_conv.weight`; the name must be one of
    /// `description.parameters`. Masks are not among them: they are derived, from `description.masks`.
    package subscript(name: String) -> Tensor {
        guard let tensor = parameters[name] else { preconditionFailure("the network has no parameter \(name)") }
        return tensor
    }

    /// Checks tensors against a network of the original's kind, as if they had been loaded.
    ///
    /// - Parameters:
    ///   - tensors: every parameter under its canonical name; masks may be among them.
    ///   - labelNames: a name for each class of a conditional network, or none.
    /// - Throws: `ModelFileError` naming the tensor that is missing, misshapen, not finite or a wrong mask, or the name
    ///   that cannot be one.
    package init(
        hyperparameters: Hyperparameters, tensors: [Tensor], labelNames: [String] = []
    ) throws(ModelFileError) {
        try self.init(
            hyperparameters: hyperparameters, description: hyperparameters.description, tensors: tensors,
            labelNames: labelNames)
    }

    /// The same for a network of any kind.
    package init(
        hyperparameters: Hyperparameters, description: NetworkDescription, tensors: [Tensor],
        labelNames: [String] = []
    ) throws(ModelFileError) {
        let validated: ModelValidation
        do throws(ModelDataError) {
            try LabelNames.check(labelNames, labels: hyperparameters.labels)
            validated = try ModelValidation(description, tensors)
        } catch {
            throw ModelFileError(file: ModelFormat.memory.rawValue, .model(error))
        }
        self.init(
            hyperparameters, description, validated.parameters, labelNames: labelNames, warnings: validated.warnings)
    }

    init(
        hyperparameters: Hyperparameters, description: NetworkDescription, parameters: [String: Tensor],
        labelNames: [String], source: ModelSource
    ) {
        self.hyperparameters = hyperparameters
        self.description = description
        self.parameters = parameters
        self.labelNames = labelNames
        self.source = source
    }

    /// A model in memory from parameters known to be right; identified by the hash of its parameters.
    init(
        _ hyperparameters: Hyperparameters, _ description: NetworkDescription, _ parameters: [String: Tensor],
        labelNames: [String] = [], warnings: [ModelWarning]
    ) {
        var hash = SHA256()
        for spec in description.parameters {
            parameters[spec.name]?.withFloats { hash.update(UnsafeRawBufferPointer($0)) }
        }
        self.init(
            hyperparameters: hyperparameters, description: description, parameters: parameters, labelNames: labelNames,
            source: ModelSource(
                path: "", byteCount: description.parameterCount * MemoryLayout<Float>.size,
                sha256: hash.hexadecimal(), weights: nil, format: .memory, warnings: warnings))
    }
}

/// File, form and identity of a loaded model.
package struct ModelSource: Sendable, Equatable {
    /// Path as it was given; empty for a model made in memory.
    package let path: String
    /// Size of the file, or of the parameters in memory.
    package let byteCount: Int
    /// SHA-256 in lower-case hexadecimal: of the file, or of the parameters in memory. Of a copy of the network other
    /// than the usual one, that of the file's and its path, so that a digest stands for the same weights always.
    package let sha256: String
    /// The copy's path where the file has several; nil where it has one.
    package let weights: String?
    /// Form of the file.
    package let format: ModelFormat
    /// What a person should know and no error says.
    package let warnings: [ModelWarning]

    /// Whether the image size is a guess.
    package var isSizeAssumed: Bool { warnings.contains { if case .assumedImageSize = $0 { true } else { false } } }
}

/// The form of a model's file.
package enum ModelFormat: String, Sendable {
    /// `torch.save(model, path)`.
    case pyTorchModule = "PyTorch module"
    /// `torch.save(model.state_dict(), path)`, or a checkpoint dictionary that holds it.
    case pyTorchStateDictionary = "PyTorch state_dict"
    /// A safetensors file.
    case safetensors
    /// No file: made in this process.
    case memory = "in memory"
}

/// What a person should know of a file that loads. What to do about it depends on the program, and is its to say.
package enum ModelWarning: Sendable, Equatable, CustomStringConvertible {
    /// The network has no such tensors: the first few names, of how many.
    case ignoredTensors(names: [String], count: Int)
    /// A state_dict has entries that are no tensors; their keys as they are shown.
    case ignoredEntries(keys: [String])
    /// What stands where names of classes are expected.
    case ignoredLabelNames(key: String, found: String)
    /// So many weights are computed from others, as PyTorch does it.
    case folded(Reparametrization, count: Int)
    /// Values beside the network are of classes that are not read: the first few, of how many.
    case unreadClasses(names: [String], count: Int)
    /// The file has several copies of the network: the path of the one that is taken, and the first few of those left,
    /// of how many.
    case severalCopies(taken: String, left: [String], count: Int)
    /// The file has one copy of the network, and its path says that it is an average.
    case averagedWeights(path: String)
    /// So many of the network's masks are not in the file.
    case missingMasks(Int)
    /// Neither the file nor the caller says the image size; this one is taken.
    case assumedImageSize(height: Int, width: Int)

    /// One line.
    package var description: String {
        switch self {
        case .ignoredTensors(let names, let count):
            "tensors the network does not have are ignored: " + names.map(quoted).joined(separator: ", ")
                + (count > names.count ? " and \(count - names.count) more" : "")
        case .ignoredEntries(let keys): "entries that are no tensors are ignored: \(keys.joined(separator: ", "))"
        case .unreadClasses(let names, let count):
            "beside the network are values of classes that are not read: " + names.map(quoted).joined(separator: ", ")
                + (count > names.count ? " and \(count - names.count) more" : "")
        case .severalCopies(let taken, let left, let count):
            "the file has \(count + 1) copies of the network; it takes \(Self.shown(taken)) and leaves "
                + left.map(Self.shown).joined(separator: ", ")
                + (count > left.count ? " and \(count - left.count) more" : "")
        case .averagedWeights(let path):
            "the file's only copy of the network is \(quoted(path)), an average of the trained weights by its name"
        case .ignoredLabelNames(let key, let found): "\(key) is ignored: it is \(found), not a list of texts"
        case .folded(let kind, let count):
            "\(count) weights are stored with \(kind.rawValue); they are computed as PyTorch's removal computes them"
        case .missingMasks(let count): "the file lacks \(count) of the network's masks; they are derived"
        case .assumedImageSize(let height, let width):
            "the file does not say its image size; taking \(height) × \(width)"
        }
    }

    private static func shown(_ path: String) -> String { path.isEmpty ? "the one without a path" : quoted(path) }
}
