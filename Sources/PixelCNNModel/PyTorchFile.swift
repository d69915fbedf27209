// A file written by torch.save: a ZIP archive with a pickle, `*/data.pkl`, and one entry per storage, `*/data/N`; or
// what LegacyPyTorchFile has read of a file without ZIP.
//
// Finds the network, wherever in the file it is; TensorRebuilder makes its tensors views of the file's storages, so
// nothing is copied. What lies beside it is not looked at, whatever it is: an optimizer, a schedule, values of any
// class.

import Support

struct PyTorchFile {
    /// Generous: the largest network that hyperparameters allow has about 9,000 tensors.
    private static let tensorLimit = 16_384
    private static let nameLimit = 512
    /// Bytes of all names; a few bytes of pickle can use a long one again and again.
    private static let namesLimit = 2 << 20
    private static let depthLimit = 16
    /// Dictionary entries looked at while walking a network's modules; shared modules count each time.
    private static let workLimit = 1 << 24

    /// A dictionary, list or module that holds tensors, or something that does.
    private struct Container {
        /// Dotted, from the root; empty for the root.
        let path: String
        let value: PickleValue
        let parent: Int?
        /// Whether it is a whole network's module.
        var isNetwork = false
    }

    /// What stands where a tensor is expected, under its name in a container.
    private struct Entry {
        let container: Int
        let key: String
        let value: PickleValue
    }

    private let graph: PickleGraph
    private let rebuilder: TensorRebuilder

    private var containers: [Container] = []
    private var entries: [Entry] = []
    private var namesBytes = 0
    /// Whole networks that cannot be read, and why.
    private var failures: [(path: String, error: PyTorchError)] = []
    private var isVisited: [Bool]
    private var work = 0

    /// What the file holds, under plain names.
    ///
    /// - Parameter weights: which copy of the network to take; see `NetworkCopies`.
    static func read(_ file: ModelFile, weights: String?) throws(ModelFileError.Problem) -> ModelContents {
        let archive: ZIPArchive
        do throws(ZIPError) { archive = try ZIPArchive(file) } catch { throw .archive(error) }
        let layout: (folder: String, isBigEndian: Bool)
        do throws(PyTorchError) { layout = try checkedLayout(archive) } catch { throw .pyTorch(error) }
        let graph: PickleGraph
        do throws(PickleError) {
            graph = try Unpickler.read(
                archive[layout.folder + "data.pkl"] ?? .init(start: nil, count: 0), fileBytes: file.bytes.count)
        } catch { throw .pickle(error) }
        let storages = StorageTable(
            file: file, prefix: layout.folder + "data/", ranges: archive.entries, isBigEndian: layout.isBigEndian)
        return try read(graph, storages, weights: weights)
    }

    /// The tensors that a pickle describes, their numbers found in `storages`.
    static func read(
        _ graph: PickleGraph, _ storages: StorageTable, weights: String?
    ) throws(ModelFileError.Problem) -> ModelContents {
        var reader = PyTorchFile(graph, storages)
        do throws(PyTorchError) { try reader.walk(graph.root, path: "", in: nil, depth: 0) } catch {
            throw .pyTorch(error)
        }
        return try reader.contents(weights)
    }

    private init(_ graph: PickleGraph, _ storages: StorageTable) {
        self.graph = graph
        rebuilder = TensorRebuilder(graph: graph, storages: storages)
        isVisited = [Bool](repeating: false, count: graph.nodes.count)
    }

    /// The folder of the one `data.pkl`, and which byte of a number comes first.
    private static func checkedLayout(
        _ archive: ZIPArchive
    ) throws(PyTorchError) -> (folder: String, isBigEndian: Bool) {
        let suffix = "/data.pkl"
        let pickles = archive.entries.keys.filter { $0.hasSuffix(suffix) && $0.count(where: { $0 == "/" }) == 1 }
        guard pickles.count == 1, let pickle = pickles.first else { throw .notPyTorchArchive }
        let folder = String(pickle.dropLast(suffix.count)) + "/"
        guard let order = archive[folder + "byteorder"] else { return (folder, false) }  // before PyTorch 2.1
        let text = String(decoding: order.prefix(16), as: UTF8.self)
        guard text == "little" || text == "big" else { throw .unsupportedByteOrder(text) }
        return (folder, text == "big")
    }

    // MARK: - Finding tensors

    /// Looks for tensors and networks in a value, and in all that it holds, each once; a pickle may refer to one value
    /// from many places, or from itself.
    private mutating func walk(
        _ value: PickleValue, path: String, in parent: Int?, depth: Int
    ) throws(PyTorchError) {
        guard case .node(let number) = value, depth < Self.depthLimit, !isVisited[number] else { return }
        isVisited[number] = true
        switch graph.nodes[number] {
        case .dictionary(let items):
            try walk(items, of: Container(path: path, value: value, parent: parent), depth: depth)
        case .list(let items), .tuple(let items):
            guard items.contains(where: { if case .node = $0 { true } else { false } }) else { return }
            let numbered = items.enumerated().map { (key: PickleValue.string("\($0)"), value: $1) }
            try walk(numbered, of: Container(path: path, value: value, parent: parent), depth: depth)
        case .object(let global, let state):
            let attributes = graph.dictionary(state) ?? []
            let parts = ["_parameters", "_buffers", "_modules"].flatMap { part in
                graph.dictionary(graph.value(part, in: attributes)) ?? []
            }
            if global.path == PickleGlobal.network || graph.value("in_conv", in: parts) != nil {
                try collectNetwork(value, global, Container(path: path, value: value, parent: parent, isNetwork: true))
            } else {
                try walk(parts + attributes, of: Container(path: path, value: value, parent: parent), depth: depth)
            }
        default: break
        }
    }

    private mutating func walk(
        _ items: [(key: PickleValue, value: PickleValue)], of container: Container, depth: Int
    ) throws(PyTorchError) {
        let index = containers.count
        containers.append(container)
        for (key, value) in items {
            guard case .string(let name) = key, case .node = value,
                container.path.utf8.count + name.utf8.count < Self.nameLimit
            else { continue }
            if isTensor(value) || (isOpaque(value) && NetworkCopies.mayBelong(name)) {
                try add(Entry(container: index, key: name, value: value))
            } else {
                let path = container.path.isEmpty ? name : "\(container.path).\(name)"
                try walk(value, path: path, in: index, depth: depth + 1)
            }
        }
    }

    private mutating func add(_ entry: Entry) throws(PyTorchError) {
        namesBytes += entry.key.utf8.count
        guard entries.count < Self.tensorLimit, namesBytes <= Self.namesLimit else {
            throw .tooManyTensors(limit: Self.tensorLimit)
        }
        entries.append(entry)
    }

    private func isTensor(_ value: PickleValue) -> Bool {
        guard case .call(let global, _)? = graph.node(value) else { return false }
        return global.isTensor
    }

    /// Whether it is a value of some class that could stand for a tensor, such as a NumPy array.
    private func isOpaque(_ value: PickleValue) -> Bool {
        switch graph.node(value) {
        case .call, .unknown: true
        case .object(_, let state): graph.dictionary(state) == nil
        default: false
        }
    }

    // MARK: - Whole networks

    /// Walks a whole network's module; one that cannot be read is remembered as a failure.
    private mutating func collectNetwork(
        _ value: PickleValue, _ global: PickleGlobal, _ container: Container
    ) throws(PyTorchError) {
        let count = entries.count
        containers.append(container)
        do throws(PyTorchError) {
            guard global.path == PickleGlobal.network else { throw .unexpectedClass(global.path, path: "") }
            try collectModule(value, container: containers.count - 1, path: "")
        } catch {
            entries.removeLast(entries.count - count)
            var error = error
            if case .unexpectedClass(let name, _) = error { error = .unexpectedClass(name, path: container.path) }
            failures.append((container.path, error))
        }
    }

    /// Walks a module as torch.nn.Module.state_dict does: own parameters, own buffers, then children, joining names
    /// with dots. Bounded in depth, names and work, since a pickle can make a module its own child.
    private mutating func collectModule(
        _ value: PickleValue, container: Int, path: String, depth: Int = 0
    ) throws(PyTorchError) {
        guard depth < Self.depthLimit else { throw .tooDeep(path: path, limit: Self.depthLimit) }
        guard case .object(let global, let state)? = graph.node(value), let attributes = graph.dictionary(state) else {
            throw .malformedModule(path: path, expected: "a class and a __dict__")
        }
        try charge(attributes, path: path)
        try checkLayer(global, attributes, path: NetworkCopies.plain(path))
        for part in ["_parameters", "_buffers"] {
            for (key, value) in try section(part, of: attributes, path: path) {
                try add(Entry(container: container, key: try join(path, key), value: value))
            }
        }
        for (key, value) in try section("_modules", of: attributes, path: path) {
            try collectModule(value, container: container, path: try join(path, key), depth: depth + 1)
        }
    }

    /// The entries of one of a module's three dictionaries that are not None.
    private mutating func section(
        _ key: String, of attributes: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) -> [(key: PickleValue, value: PickleValue)] {
        guard let items = graph.dictionary(graph.value(key, in: attributes)) else {
            throw .malformedModule(path: path, expected: "a dictionary \(key)")
        }
        try charge(items, path: path)
        return items.filter { $0.value != .none }
    }

    private func join(_ path: String, _ key: PickleValue) throws(PyTorchError) -> String {
        guard case .string(let name) = key else {
            throw .malformedModule(path: path, expected: "names, not \(graph.summary(key))")
        }
        guard path.utf8.count + name.utf8.count < Self.nameLimit else {
            throw .nameTooLong(path: path.isEmpty ? name : path, limit: Self.nameLimit)
        }
        return path.isEmpty ? name : "\(path).\(name)"
    }

    private mutating func charge(
        _ items: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) {
        work += items.count + 1
        guard work <= Self.workLimit else { throw .tooDeep(path: path, limit: Self.depthLimit) }
    }

    /// Classes that compute nothing of their own; NetworkCopies removes the names of what they wrap.
    private static let wrapperClasses: Set<String> = [
        "torch.nn.parallel.data_parallel.DataParallel", "torch.nn.parallel.distributed.DistributedDataParallel",
        "torch._dynamo.eval_frame.OptimizedModule",
        "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.CheckpointWrapper",
        "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel",
    ]

    /// What no tensor shows: a class that may compute anything, which activation stands between convolutions, and the
    /// norms' epsilon.
    private func checkLayer(
        _ global: PickleGlobal, _ attributes: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) {
        if Self.wrapperClasses.contains(global.path) { return }
        guard global.kind == .module else { throw .unexpectedClass(global.path, path: "") }
        let relu = "torch.nn.modules.activation.ReLU"
        if path == "in_conv.1" || path == "out_conv.1", global.path != relu {
            throw .wrongLayer(path: path, found: quoted(global.path), expected: relu)
        }
        if path.hasPrefix("v_norm_layers.") || path.hasPrefix("h_norm_layers."),
            let epsilon = graph.value("eps", in: attributes), epsilon != .float(1e-5)
        {
            throw .wrongLayer(path: path, found: "eps \(graph.summary(epsilon))", expected: "eps 1e-5")
        }
    }

    // MARK: - The contents

    /// The network taken, or else what the file holds instead.
    private mutating func contents(_ weights: String?) throws(ModelFileError.Problem) -> ModelContents {
        dropReplaced()
        let names = entries.map {
            TensorName(container: $0.container, path: containers[$0.container].path, key: $0.key)
        }
        let choice: (taken: NetworkCopy, left: [NetworkCopy], isUsual: Bool)?
        do throws(ModelDataError) { choice = try NetworkCopies(names).choose(weights) } catch {
            // The one that is wanted may be one that cannot be read.
            if let failure = failures.first { throw .pyTorch(failure.error) }
            throw .model(error)
        }
        do throws(PyTorchError) {
            guard let choice else {
                if let failure = failures.first { throw failure.error }
                return try otherContents()
            }
            return try contents(of: choice.taken, left: choice.left, isUsual: choice.isUsual)
        } catch { throw .pyTorch(error) }
    }

    /// Of entries of one name the last counts, as in Python.
    private mutating func dropReplaced() {
        struct Place: Hashable {
            let container: Int
            let key: String
        }
        var last: [Place: Int] = [:]
        for (index, entry) in entries.enumerated() {
            last[Place(container: entry.container, key: entry.key)] = index
        }
        guard last.count < entries.count else { return }
        entries = last.values.sorted().map { entries[$0] }
    }

    private func contents(
        of taken: NetworkCopy, left: [NetworkCopy], isUsual: Bool
    ) throws(PyTorchError) -> ModelContents {
        let container = containers[taken.container]
        var parts = ModelContents.Parts(
            format: container.isNetwork ? .pyTorchModule : .pyTorchStateDictionary, path: container.path)
        let names = Dictionary(taken.members.map { ($0.tensor, $0.name) }) { first, _ in first }
        var tensors: [(Int, (name: String, reading: TensorReading))] = []
        for (index, entry) in entries.enumerated() where entry.container == taken.container {
            let reading =
                if let name = names[index] {
                    try rebuilder.rebuild(entry.value, name: name)
                } else {
                    try lenientReading(entry)
                }
            tensors.append((index, (entry.key, reading)))
        }
        parts.take(taken, left: left, failed: failures.map(\.path), isUsual: isUsual, of: tensors)
        describe(taken.container, &parts)
        warn(taken.container, except: parts.copy?.left ?? [], &parts)
        return ModelContents(file: rebuilder.storages.file, parts)
    }

    /// A tensor that the network may have no use for: where it is not as torch.save writes it, it is not read.
    private func lenientReading(_ entry: Entry) throws(PyTorchError) -> TensorReading {
        do throws(PyTorchError) {
            return try rebuilder.rebuild(entry.value, name: entry.key)
        } catch {
            guard case .malformedTensor = error else { throw error }
            return .unread(type: "unknown")
        }
    }

    /// The tensors of a file without a network, for `inspect` to show, and for whoever tells other networks.
    private func otherContents() throws(PyTorchError) -> ModelContents {
        if case .object(let global, _)? = graph.node(graph.root) { throw .unexpectedClass(global.path, path: "") }
        let places = ["state_dict", "model_state_dict", "model", ""]
        let shown = places.lazy.compactMap { place in entries.first { containers[$0.container].path == place } }.first
        guard let container = (shown ?? entries.first)?.container else {
            guard let items = graph.dictionary(graph.root) else {
                throw .unexpectedContent(found: graph.summary(graph.root))
            }
            throw .noTensors(keys: items.prefix(64).map { graph.summary($0.key) })
        }
        var parts = ModelContents.Parts(format: .pyTorchStateDictionary, path: containers[container].path)
        for entry in entries where entry.container == container {
            parts.add(try lenientReading(entry), name: NetworkCopies.plain(entry.key))
        }
        describe(container, &parts)
        return ModelContents(file: rebuilder.storages.file, parts)
    }

    // MARK: - What the file says of its network

    /// What a module, a checkpoint or a state_dict calls its images' shape, (C, H, W), and the names of its classes.
    static let shapeKey = "in_shape"
    static let labelNamesKey = "label_names"
    /// What the original called the shape before.
    private static let earlierShapeKey = "input_shape"
    /// Where a checkpoint has what its network was made with: the original's own `save`, Lightning, and others.
    private static let argumentKeys = ["kwargs", "hyper_parameters", "hparams", "config", "args"]

    /// Takes what no tensor says, from the container of the network and from all around it.
    private func describe(_ container: Int, _ parts: inout ModelContents.Parts) {
        var path: [Container] = []
        var next: Int? = container
        while let index = next {
            path.insert(containers[index], at: 0)
            next = containers[index].parent
        }
        for container in path {
            let items = graph.dictionary(container.value) ?? graph.state(container.value) ?? []
            if container.isNetwork { declare(items, &parts) }
            takeArguments(items, &parts)
            takeDescription(items, &parts)
            if let attributes = graph.attributes(container.value) { takeDescription(attributes, &parts) }
        }
    }

    private func takeDescription(
        _ items: [(key: PickleValue, value: PickleValue)], _ parts: inout ModelContents.Parts
    ) {
        if let shape = shape(items) {
            for (field, extent) in zip([Hyperparameters.Field.channels, .height, .width], shape) {
                parts.declared.values[field] = extent
            }
        }
        guard let value = graph.value(Self.labelNamesKey, in: items), value != .none else { return }
        if let names = graph.texts(value) {
            parts.declared.labelNames = names
        } else {
            parts.warnings.append(.ignoredLabelNames(key: Self.labelNamesKey, found: graph.summary(value)))
        }
    }

    private func shape(_ items: [(key: PickleValue, value: PickleValue)]) -> [Int]? {
        for key in [Self.shapeKey, Self.earlierShapeKey] {
            if let shape = graph.integers(graph.value(key, in: items)), shape.count == 3 { return shape }
        }
        return nil
    }

    /// Arguments may be those of anything, so their shape counts only where it has the network's channels.
    private func takeArguments(
        _ items: [(key: PickleValue, value: PickleValue)], _ parts: inout ModelContents.Parts
    ) {
        let input = parts.tensors.first { $0.name.hasPrefix("in_conv.0.") && $0.shape.count == 4 }
        for key in Self.argumentKeys {
            let value = graph.value(key, in: items)
            guard let arguments = graph.dictionary(value) ?? graph.state(value), let shape = shape(arguments),
                shape[0] == input?.shape[1]
            else { continue }
            parts.declared.values[.height] = shape[1]
            parts.declared.values[.width] = shape[2]
        }
    }

    /// Takes the network's numbers from the attributes of a whole module, where they are named as expected.
    private func declare(
        _ attributes: [(key: PickleValue, value: PickleValue)], _ parts: inout ModelContents.Parts
    ) {
        for field in Hyperparameters.Field.allCases {
            guard let attribute = field.line.attribute, case .int(let value)? = graph.value(attribute, in: attributes)
            else { continue }
            parts.declared.values[field] = value
        }
    }

    /// Warns of what is not read: entries of the network's own dictionary, and classes anywhere.
    private func warn(_ container: Int, except paths: [String], _ parts: inout ModelContents.Parts) {
        let known = [Self.labelNamesKey, Self.shapeKey, Self.earlierShapeKey] + Self.argumentKeys + paths
        var others: [String] = []
        for (key, value) in graph.dictionary(containers[container].value) ?? [] where others.count < 8 {
            if case .string(let name) = key {
                if isTensor(value) || known.contains(name) || (isOpaque(value) && NetworkCopies.mayBelong(name)) {
                    continue
                }
            }
            others.append(graph.summary(key))
        }
        if !others.isEmpty { parts.warnings.append(.ignoredEntries(keys: others)) }
        let classes = graph.unknownClasses(first: 8)
        if classes.count > 0 { parts.warnings.append(.unreadClasses(names: classes.names, count: classes.count)) }
    }
}

// MARK: - Errors

/// A PyTorch file this reader refuses.
package enum PyTorchError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A ZIP archive without `data.pkl`, or with several.
    case notPyTorchArchive
    /// A part of a file without ZIP, as PyTorch wrote it before 1.6, that is not as it should be.
    case malformedLegacyFile(part: String, found: String, expected: String)
    /// An unreadable `byteorder`.
    case unsupportedByteOrder(String)
    /// The pickle's value is neither a module, nor a state_dict, nor a checkpoint dictionary.
    case unexpectedContent(found: String)
    /// A whole module, or a layer of a whole network, is of a class that may compute anything.
    case unexpectedClass(String, path: String)
    /// A dictionary without tensors; its keys as they are shown.
    case noTensors(keys: [String])
    /// A part of a module that is not as `torch.nn.Module` keeps it.
    case malformedModule(path: String, expected: String)
    /// Modules within modules, or names, beyond all measure; perhaps a module that contains itself.
    case tooDeep(path: String, limit: Int)
    /// More tensors than any network of ours has.
    case tooManyTensors(limit: Int)
    /// A tensor name beyond all measure.
    case nameTooLong(path: String, limit: Int)
    /// A tensor that is not as `torch.save` writes it.
    case malformedTensor(String)
    /// The file has no entry, or storage, for a tensor's numbers.
    case missingStorage(tensor: String, entry: String)
    /// An entry, or what is left of the file, has another size than the tensor's storage.
    case storageSizeMismatch(tensor: String, entry: String, found: Int, expected: Int)
    /// A tensor's offset, shape and strides reach outside its storage.
    case tensorOutsideStorage(tensor: String, shape: [Int], strides: [Int], offset: Int, storage: Int)
    /// An activation or norm that computes something else than the network's.
    case wrongLayer(path: String, found: String, expected: String)

    /// One line: part of the file, what was found, what is expected.
    package var description: String {
        switch self {
        case .notPyTorchArchive:
            "the ZIP archive is not a PyTorch file: it should have one entry named */data.pkl"
        case .malformedLegacyFile(let part, let found, let expected):
            "the file, in the form PyTorch wrote before 1.6, is damaged: its \(part) is \(found); expected \(expected)"
        case .unsupportedByteOrder(let found):
            "the file's byte order is \(quoted(found)); “little” and “big” are read"
        case .unexpectedContent(let found):
            "the file holds \(found), neither a module nor a state_dict; "
                + "save torch.save(model.state_dict(), path)"
        case .unexpectedClass(let name, _):
            "the file holds a whole module of class \(quoted(name)), which may compute anything; of whole modules only "
                + "\(PickleGlobal.network) and its layers are read"
        case .noTensors(let keys):
            "the file's dictionary holds no tensors; its keys are "
                + (keys.isEmpty ? "none" : keys.prefix(8).joined(separator: ", "))
                + "; a model is saved with torch.save(model.state_dict(), path)"
        case .malformedModule(let path, let expected):
            "module \(quoted(path)) is damaged: it should have \(expected)"
        case .tooDeep(let path, let limit):
            "modules are nested more than \(limit) deep or too many at \(quoted(path)); does a module contain itself?"
        case .tooManyTensors(let limit):
            "the file has more than \(limit) tensors, more than any network of this kind"
        case .nameTooLong(let path, let limit):
            "the name \(quoted(path)) is longer than \(limit) bytes"
        case .malformedTensor(let name):
            "tensor \(quoted(name)) is not a dense tensor as torch.save writes it"
        case .missingStorage(let tensor, let entry):
            "tensor \(quoted(tensor)) has its numbers in \(quoted(entry)), which the file lacks; copy or "
                + "download it again"
        case .storageSizeMismatch(let tensor, let entry, let found, let expected):
            "tensor \(quoted(tensor)) has its numbers in \(quoted(entry)), which should have \(expected) bytes and has "
                + "\(found); the file is cut short or damaged: copy or download it again"
        case .tensorOutsideStorage(let tensor, let shape, let strides, let offset, let storage):
            "tensor \(quoted(tensor)), shape \(Shape.text(shape)), strides \(Shape.text(strides)), offset \(offset), "
                + "reaches outside its storage of \(storage) elements"
        case .wrongLayer(let path, let found, let expected):
            "module \(quoted(path)) is \(found); the network has \(expected) there"
        }
    }
}
