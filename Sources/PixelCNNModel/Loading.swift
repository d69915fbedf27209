// From a file's contents to a Model: which network is it, how large is it, and is every number right. The network's
// size comes from the shapes of a few tensors, and everything else is checked against that size, so a file whose shapes
// contradict one another is refused by the name of the tensor that does not fit. One pass over every number.

import Support

extension Model {
    /// Image side taken where neither the file nor the caller names one.
    static let defaultSide = 32

    /// Loads a whole PyTorch module, a state_dict, a checkpoint holding either, or a safetensors file. The file's
    /// bytes stay in memory as long as the model lives; its numbers are not copied again.
    ///
    /// - Parameters:
    ///   - path: the model file.
    ///   - height: image rows; overrides what the file says. The network is convolutional and runs at any size.
    ///   - width: image columns; likewise.
    ///   - weights: which copy of the network to take, where the file has several; see `ModelContents.read`.
    /// - Throws: `ModelFileError` naming file, tensor or entry, what was found and what is allowed.
    package static func load(
        path: String, height: Int? = nil, width: Int? = nil, weights: String? = nil
    ) throws(ModelFileError) -> Model {
        try Model(ModelContents.read(path: path, weights: weights), height: height, width: width)
    }

    /// Checks a file's contents and makes a model of them; see `load`.
    package init(_ contents: ModelContents, height: Int? = nil, width: Int? = nil) throws(ModelFileError) {
        do throws(ModelFileError.Problem) {
            try self.init(checking: contents, height: height, width: width)
        } catch {
            throw ModelFileError(file: contents.path, Self.explained(error, contents))
        }
    }

    /// Why a tensor is missing, where the file's other tensors, or its name, say so.
    private static func explained(
        _ problem: ModelFileError.Problem, _ contents: ModelContents
    ) -> ModelFileError.Problem {
        switch problem {
        case .model(.missingTensor(let name)):
            if let part = ForeignFile.part(contents.path) { return .foreign(part) }
            guard let source = Reparametrization.source(of: name, among: contents.tensors) else { return problem }
            return .model(.reparametrized(tensor: name, from: source))
        case .model(.otherNetwork):
            return ForeignFile.part(contents.path).map { .foreign($0) } ?? problem
        default: return problem
        }
    }

    private init(
        checking contents: ModelContents, height: Int?, width: Int?
    ) throws(ModelFileError.Problem) {
        let network = Network.of(contents.tensors.lazy.map(\.name) + contents.unread.map(\.name))
        // Before anything is computed from them: a small file can describe tensors of any size.
        do throws(ModelDataError) { try Self.checkNetwork(contents, network) } catch { throw .model(error) }
        let (own, folded) = Reparametrization.folded(contents.tensors.filter { NetworkCopies.isPlain($0.name) })
        let tensors = own + contents.tensors.filter { !NetworkCopies.isPlain($0.name) }
        let read: ReadNetwork
        do throws(ModelDataError) {
            read = try network.read(tensors, unread: contents.unread)
        } catch { throw .model(error) }
        let declared = contents.declared
        let (hyperparameters, isSizeAssumed) = try Self.hyperparameters(
            read, of: network, declared, height: height, width: width)
        let description = read.description ?? hyperparameters.description
        let validated: ModelValidation
        do throws(ModelDataError) {
            try Self.check(declared, against: hyperparameters, description)
            try LabelNames.check(declared.labelNames, labels: hyperparameters.labels)
            validated = try ModelValidation(description, tensors, unread: contents.unread, left: contents.left)
        } catch { throw .model(error) }

        var warnings = contents.warnings + validated.warnings
        for (kind, count) in folded.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            warnings.append(.folded(kind, count: count))
        }
        if validated.missingMasks > 0 { warnings.append(.missingMasks(validated.missingMasks)) }
        if isSizeAssumed {
            warnings.append(.assumedImageSize(height: hyperparameters.height, width: hyperparameters.width))
        }
        self.init(
            hyperparameters: hyperparameters, description: description, parameters: validated.parameters,
            labelNames: declared.labelNames,
            source: ModelSource(
                path: contents.path, byteCount: contents.byteCount, sha256: contents.identity(),
                weights: contents.copy.flatMap { $0.left.isEmpty ? nil : $0.path }, format: contents.format,
                warnings: warnings))
    }

    /// The network's numbers, and whether the image size is a guess. What the caller says of the size counts before
    /// what the file declares, and that before what its tensors show.
    private static func hyperparameters(
        _ read: ReadNetwork, of network: Network, _ declared: DeclaredHyperparameters, height: Int?, width: Int?
    ) throws(ModelFileError.Problem) -> (Hyperparameters, isSizeAssumed: Bool) {
        var values = read.sizes
        values[.height] = height ?? declared.values[.height] ?? values[.height]
        values[.width] = width ?? declared.values[.width] ?? values[.width]
        let isSizeAssumed = values[.height] == nil || values[.width] == nil
        guard !isSizeAssumed || network.hasDefaultSize else { throw .model(.unknownImageSize(network)) }
        values[.height] = values[.height] ?? defaultSide
        values[.width] = values[.width] ?? defaultSide
        do throws(HyperparametersError) {
            return (try Hyperparameters(values, network: network), isSizeAssumed)
        } catch { throw .hyperparameters(error) }
    }

    /// What a model of any file may take, for files whose tensors share their numbers: three times the published
    /// network.
    private static let sharedLimit = 64 << 20

    /// Refuses other networks, and networks that are larger than their file.
    private static func checkNetwork(_ contents: ModelContents, _ network: Network) throws(ModelDataError) {
        // Where there are tensors of the network, what is wrong with them is said.
        if network == .original, contents.copy == nil, !contents.tensors.isEmpty,
            !contents.unread.contains(where: { NetworkCopies.isPlain($0.name) })
        {
            try NetworkFamily.check(contents.tensors)
        }
        // Many views of one storage, or a stride of 0, would make a small file a large model.
        let limit = max(2 * contents.byteCount, sharedLimit)
        var bytes = 0
        for tensor in contents.tensors where NetworkCopies.isPlain(tensor.name) {
            let (size, productOverflow) = tensor.count.multipliedReportingOverflow(by: tensor.elementType.size)
            let (sum, sumOverflow) = bytes.addingReportingOverflow(size)
            guard !productOverflow, !sumOverflow, sum <= limit else {
                throw .tensorsExceedFile(
                    tensorBytes: productOverflow || sumOverflow ? .max : sum, fileBytes: contents.byteCount)
            }
            bytes = sum
        }
    }

    /// What the file declares must be what its shapes say; the image size may be chosen.
    private static func check(
        _ declared: DeclaredHyperparameters, against found: Hyperparameters, _ description: NetworkDescription
    ) throws(ModelDataError) {
        for field in Hyperparameters.Field.allCases {
            guard let tensor = field.line.tensor, let value = declared.values[field], value != found[field] else {
                continue
            }
            // The table names the original's tensors.
            let name = description.network == .original ? tensor : description.tensors.first?.name ?? tensor
            throw .contradiction(field: field.line.key, declared: value, shapes: found[field], tensor: name)
        }
    }
}

// MARK: - The numbers

/// The parameters of a network, held against the list of what it must have and found complete and right.
struct ModelValidation {
    private(set) var parameters: [String: Tensor] = [:]
    private(set) var warnings: [ModelWarning] = []
    /// Masks that are not among the tensors; usual in memory, unusual in a file.
    private(set) var missingMasks = 0

    /// - Parameters:
    ///   - unread: further tensors, whose numbers are not read.
    ///   - left: names of tensors that are another network's.
    init(
        _ network: NetworkDescription, _ tensors: [Tensor], unread: [UnreadTensor] = [], left: Set<String> = []
    ) throws(ModelDataError) {
        var found: [String: Tensor] = [:]
        for tensor in tensors {
            guard found.updateValue(tensor, forKey: tensor.name) == nil else { throw .duplicateTensor(tensor.name) }
        }
        let unreadByName = Dictionary(unread.map { ($0.name, $0) }) { first, _ in first }
        // Names and shapes first: they cost nothing and explain more than a bad number does.
        let specs = network.tensors
        for spec in specs {
            guard let tensor = found[spec.name] else {
                if let tensor = unreadByName[spec.name] { throw .unreadTensor(tensor) }
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
            switch spec.role {
            case .mask(let mask): try Self.check(tensor, equals: mask)
            case .number: parameters[spec.name] = tensor
            case .variance:
                try Self.checkFinite(tensor)
                try Self.checkVariance(tensor)
                parameters[spec.name] = tensor
            case .weight, .bias, .normWeight, .normBias, .mean:
                try Self.checkFinite(tensor)
                parameters[spec.name] = tensor
            }
        }
        let ignored = (tensors.map(\.name).filter { found[$0] != nil } + unread.map(\.name))
            .filter { !left.contains($0) }
        // Of other networks every tensor is known: one more of such a name makes it another network still.
        if network.network != .original, let name = ignored.first(where: NetworkCopies.isPlain) {
            throw .unexpectedTensor(name, network.network)
        }
        if !ignored.isEmpty {
            warnings.append(.ignoredTensors(names: Array(ignored.prefix(8)), count: ignored.count))
        }
    }

    private static func checkFinite(_ tensor: Tensor) throws(ModelDataError) {
        guard tensor.elementType.isFloatingPoint else {
            throw .unsupportedElementType(tensor: tensor.name, found: tensor.elementType)
        }
        let bad = tensor.firstIndex { !$1.isFinite }
        if let bad { throw .notFinite(tensor: tensor.name, position: Shape.position(bad, in: tensor.shape)) }
    }

    private static func checkVariance(_ tensor: Tensor) throws(ModelDataError) {
        let bad = tensor.firstIndex { $1 < 0 }
        if let bad { throw .negativeVariance(tensor: tensor.name, position: Shape.position(bad, in: tensor.shape)) }
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

/// The rules for the names of a conditional network's classes: each is shown in lists and logs and typed on command
/// lines, where a class's number is as good as its name.
enum LabelNames {
    /// Characters of a name.
    static let lengthLimit = 64

    /// Names are for all classes or for none; printable, distinct whatever the letter case, and no other class's
    /// number.
    static func check(_ names: [String], labels: Int) throws(ModelDataError) {
        guard names.isEmpty || names.count == labels else {
            throw .labelNameCount(found: names.count, labels: labels)
        }
        var seen: Set<String> = []
        for (label, name) in names.enumerated() {
            guard !name.isEmpty, name.unicodeScalars.count <= lengthLimit,
                name.unicodeScalars.allSatisfy(\.isPrintable),
                Int(name) ?? label == label
            else { throw .unusableLabelName(name, label: label) }
            guard seen.insert(name.lowercased()).inserted else { throw .duplicateLabelName(name) }
        }
    }
}
