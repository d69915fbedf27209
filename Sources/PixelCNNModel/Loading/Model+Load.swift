// From a file's contents to a Model: is it this network at all, how large, and is every number right.

extension Model {
    /// Image side taken where neither the file nor the caller names one.
    static let defaultSide = 32

    /// Loads a whole PyTorch module, a state_dict, a checkpoint holding either, or a safetensors file. The file stays
    /// mapped as long as the model lives; its numbers are not copied.
    ///
    /// - Parameters:
    ///   - path: the model file.
    ///   - height: image rows; overrides what the file says. The network is convolutional and runs at any size.
    ///   - width: image columns; likewise.
    /// - Throws: `ModelFileError` naming file, tensor or entry, what was found and what is allowed.
    package static func load(
        path: String, height: Int? = nil, width: Int? = nil
    ) throws(ModelFileError) -> Model {
        try Model(ModelContents.read(path: path), height: height, width: width)
    }

    /// Checks a file's contents and makes a model of them; see `load`.
    package init(_ contents: ModelContents, height: Int? = nil, width: Int? = nil) throws(ModelFileError) {
        do throws(ModelFileError.Problem) {
            try self.init(checking: contents, height: height, width: width)
        } catch {
            throw ModelFileError(file: contents.path, error)
        }
    }

    private init(
        checking contents: ModelContents, height: Int?, width: Int?
    ) throws(ModelFileError.Problem) {
        let declared = contents.declared
        let size = (height: declared.values[.height], width: declared.values[.width])
        let hyperparameters: Hyperparameters
        do throws(ModelDataError) { try Self.checkNetwork(contents) } catch { throw .model(error) }
        hyperparameters = try Hyperparameters(
            shapesOf: contents.tensors, height: height ?? size.height ?? Self.defaultSide,
            width: width ?? size.width ?? Self.defaultSide)
        let validated: ModelValidation
        do throws(ModelDataError) {
            try Self.check(declared, against: hyperparameters)
            try LabelNames.check(declared.labelNames, labels: hyperparameters.labels)
            validated = try ModelValidation(hyperparameters, contents.tensors)
        } catch { throw .model(error) }

        var warnings = contents.warnings + validated.warnings
        if validated.missingMasks > 0 {
            warnings.append("the file lacks \(validated.missingMasks) of the network's masks; they are derived")
        }
        if height ?? size.height == nil || width ?? size.width == nil {
            warnings.append(
                "the file does not say its image size; taking \(hyperparameters.height) × \(hyperparameters.width) "
                    + "(choose with --height and --width)")
        }
        self.init(
            hyperparameters: hyperparameters, parameters: validated.parameters, labelNames: declared.labelNames,
            source: ModelSource(
                path: contents.path, byteCount: contents.byteCount, sha256: contents.sha256(),
                format: contents.format, warnings: warnings))
    }

    /// Refuses other networks by name, before a shape that does not fit would speak in riddles.
    private static func checkNetwork(_ contents: ModelContents) throws(ModelDataError) {
        let names = contents.tensors.map(\.name)
        if !names.contains("in_conv.0.weight"), let other = names.first(where: { $0.hasPrefix("net.") }) {
            throw .otherNetwork(evidence: "tensors such as \(quoted(other))")
        }
        // Many views of one storage would make a small file a large model.
        var bytes = 0
        for tensor in contents.tensors {
            let (size, productOverflow) = tensor.count.multipliedReportingOverflow(by: tensor.elementType.size)
            let (sum, sumOverflow) = bytes.addingReportingOverflow(size)
            guard !productOverflow, !sumOverflow, sum <= 2 * contents.byteCount else {
                throw .tensorsExceedFile(tensorBytes: sumOverflow ? .max : sum, fileBytes: contents.byteCount)
            }
            bytes = sum
        }
    }

    /// What the file declares must be what its shapes say; the image size may be chosen.
    private static func check(
        _ declared: DeclaredHyperparameters, against found: Hyperparameters
    ) throws(ModelDataError) {
        let shapes = DeclaredHyperparameters(found)
        let tensors: [(DeclaredHyperparameters.Field, String)] = [
            (.channels, "in_conv.0.weight"), (.filters, "in_conv.0.weight"), (.blocks, "gated_layers"),
            (.kernelSize, "gated_layers.0.v_conv.weight"), (.hidden, "out_conv.0.weight"),
            (.colors, "out_conv.2.weight"), (.labels, "gated_layers.0.v_label.weight"),
        ]
        for (field, tensor) in tensors {
            guard let declared = declared.values[field], let shape = shapes.values[field], declared != shape else {
                continue
            }
            throw .contradiction(field: field.rawValue, declared: declared, shapes: shape, tensor: tensor)
        }
    }
}
