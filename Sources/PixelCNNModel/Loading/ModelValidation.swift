// Holds a set of tensors against the list of what the network must have. One pass over every number.

/// The parameters of a network, found complete and right.
struct ModelValidation {
    private(set) var parameters: [String: Tensor] = [:]
    private(set) var warnings: [String] = []
    /// Masks that are not among the tensors; usual in memory, unusual in a file.
    private(set) var missingMasks = 0

    init(_ hyperparameters: Hyperparameters, _ tensors: [Tensor]) throws(ModelDataError) {
        var found: [String: Tensor] = [:]
        for tensor in tensors {
            guard found.updateValue(tensor, forKey: tensor.name) == nil else { throw .duplicateTensor(tensor.name) }
        }
        // Names and shapes first: they cost nothing and explain more than a bad number does.
        let specs = hyperparameters.stateDictionary
        for spec in specs {
            guard let tensor = found[spec.name] else {
                guard spec.isMask else { throw .missingTensor(spec.name) }
                missingMasks += 1
                continue
            }
            guard tensor.shape == spec.shape else {
                throw .shapeMismatch(tensor: spec.name, expected: Shape.text(spec.shape), found: tensor.shape)
            }
        }
        for spec in specs {
            guard let tensor = found.removeValue(forKey: spec.name) else { continue }
            if case .mask(let mask) = spec.role {
                try Self.check(tensor, equals: mask)
            } else {
                try Self.checkFinite(tensor)
                parameters[spec.name] = tensor
            }
        }
        let extra = tensors.lazy.map(\.name).filter { found[$0] != nil }
        if !found.isEmpty {
            let more = found.count > 8 ? " and \(found.count - 8) more" : ""
            warnings.append(
                "tensors the network does not have are ignored: "
                    + extra.prefix(8).map(quoted).joined(separator: ", ") + more)
        }
    }

    private static func checkFinite(_ tensor: Tensor) throws(ModelDataError) {
        guard tensor.elementType.isFloatingPoint else {
            throw .unsupportedElementType(tensor: tensor.name, found: tensor.elementType)
        }
        let bad = tensor.firstIndex { !$1.isFinite }
        if let bad { throw .notFinite(tensor: tensor.name, position: Shape.position(bad, in: tensor.shape)) }
    }

    private static func check(_ tensor: Tensor, equals mask: ConvolutionMask) throws(ModelDataError) {
        let expected = mask.values()
        let bad = tensor.firstIndex { $1 != (expected[$0] ? 1 : 0) }
        if let bad {
            throw .maskMismatch(
                tensor: tensor.name, position: Shape.position(bad, in: tensor.shape), expected: expected[bad])
        }
    }
}
