// A file written by torch.save: a ZIP archive with a pickle, `*/data.pkl`, and one entry per storage, `*/data/N`; or
// what LegacyPyTorchFile has read of a file without ZIP.
//
// Finds the tensors, whichever of the usual forms the file has, as views of the file's storages: nothing is copied, and
// only the tensors of the model are looked at, not those of an optimizer saved beside it.

import Support

struct PyTorchFile {
    /// Generous: the largest network that hyperparameters allow has about 9,000 tensors.
    private static let tensorLimit = 16_384
    private static let nameLimit = 512
    private static let depthLimit = 16
    /// Dictionary entries looked at while walking modules; shared modules count each time.
    private static let workLimit = 1 << 24

    private let storages: StorageTable
    private let graph: PickleGraph

    private var tensors: [Tensor] = []
    private var declared = DeclaredHyperparameters()
    private var warnings: [ModelWarning] = []
    private var work = 0

    /// What the file holds, under plain names.
    static func read(_ file: ModelFile) throws(ModelFileError.Problem) -> ModelContents {
        let archive: ZIPArchive
        do throws(ZIPError) { archive = try ZIPArchive(file) } catch { throw .archive(error) }
        let folder: String
        do throws(PyTorchError) { folder = try checkedFolder(archive) } catch { throw .pyTorch(error) }
        let graph: PickleGraph
        do throws(PickleError) {
            graph = try Unpickler.read(
                archive[folder + "data.pkl"] ?? .init(start: nil, count: 0), fileBytes: file.bytes.count)
        } catch { throw .pickle(error) }
        return try read(graph, StorageTable(file: file, prefix: folder + "data/", ranges: archive.entries))
    }

    /// The tensors that a pickle describes, their numbers found in `storages`.
    static func read(
        _ graph: PickleGraph, _ storages: StorageTable
    ) throws(ModelFileError.Problem) -> ModelContents {
        var reader = PyTorchFile(storages: storages, graph: graph)
        let format: ModelFormat
        do throws(PyTorchError) { format = try reader.collect() } catch { throw .pyTorch(error) }
        return ModelContents(
            file: storages.file, format: format, tensors: reader.tensors, declared: reader.declared,
            warnings: reader.warnings)
    }

    private init(storages: StorageTable, graph: PickleGraph) {
        self.storages = storages
        self.graph = graph
    }

    /// The folder of the one `data.pkl`, once the archive is known to be what torch.save writes on this kind of
    /// machine.
    private static func checkedFolder(_ archive: ZIPArchive) throws(PyTorchError) -> String {
        let suffix = "/data.pkl"
        let pickles = archive.entries.keys.filter { $0.hasSuffix(suffix) && $0.count(where: { $0 == "/" }) == 1 }
        guard pickles.count == 1, let pickle = pickles.first else { throw .notPyTorchArchive }
        let folder = String(pickle.dropLast(suffix.count)) + "/"
        if let order = archive[folder + "byteorder"] {  // absent before PyTorch 2.1
            let text = String(decoding: order.prefix(16), as: UTF8.self)
            guard text == "little" else { throw .unsupportedByteOrder(text) }
        }
        return folder
    }

    // MARK: - The three forms

    /// Fills `tensors`, `declared` and `warnings`.
    private mutating func collect() throws(PyTorchError) -> ModelFormat {
        let format = try collect(graph.root, checkpoint: true)
        removePrefix()
        return format
    }

    /// - Parameter checkpoint: whether a dictionary may be a checkpoint that holds the model under a key.
    private mutating func collect(_ value: PickleValue, checkpoint: Bool) throws(PyTorchError) -> ModelFormat {
        switch graph.node(value) {
        case .object(let global, let state):
            guard global.path == PickleGlobal.network else { throw .unexpectedClass(global.path) }
            try collectModule(value, path: "")
            if let attributes = graph.dictionary(state) {
                declare(attributes)
                takeDescription(attributes)
            }
            return .pyTorchModule
        case .dictionary(let items):
            takeDescription(items)
            if let attributes = graph.attributes(value) { takeDescription(attributes) }
            // The keys first: a checkpoint may hold a stray tensor, such as a loss, beside its model.
            let keys = ["state_dict", "model_state_dict", "model"]
            for key in keys where checkpoint {
                guard let model = graph.value(key, in: items), case .node = model, !isTensor(model) else { continue }
                return try collect(model, checkpoint: false)
            }
            if try collectStateDictionary(items) { return .pyTorchStateDictionary }
            throw .noTensors(keys: items.prefix(64).map { graph.summary($0.key) })
        default:
            throw .unexpectedContent(found: graph.summary(value))
        }
    }

    /// Takes the dictionary for a state_dict if it holds a tensor; other values in it become warnings.
    private mutating func collectStateDictionary(
        _ items: [(key: PickleValue, value: PickleValue)]
    ) throws(PyTorchError) -> Bool {
        var others: [String] = []
        for (key, value) in items {
            if case .string(let name) = key, isTensor(value) {
                try add(value, name: name)
            } else if ![.string(Self.labelNamesKey), .string(Self.shapeKey)].contains(key), others.count < 8 {
                others.append(graph.summary(key))
            }
        }
        guard !tensors.isEmpty else { return false }
        if !others.isEmpty { warnings.append(.ignoredEntries(keys: others)) }
        return true
    }

    /// Removes what DataParallel, torch.compile or a module around the network puts before its names.
    private mutating func removePrefix() {
        let name = "in_conv.0.weight"
        guard !tensors.contains(where: { $0.name == name }),
            let prefix = tensors.first(where: { $0.name.hasSuffix("." + name) })?.name.dropLast(name.count)
        else { return }
        tensors = tensors.map { $0.name.hasPrefix(prefix) ? $0.renamed(String($0.name.dropFirst(prefix.count))) : $0 }
    }

    /// What a module, a checkpoint or a state_dict calls its images' shape, (C, H, W), and the names of its classes.
    static let shapeKey = "in_shape"
    static let labelNamesKey = "label_names"

    /// Takes what no tensor says, where these pairs have it.
    private mutating func takeDescription(_ items: [(key: PickleValue, value: PickleValue)]) {
        if let shape = graph.integers(graph.value(Self.shapeKey, in: items)), shape.count == 3 {
            for (field, extent) in zip([Hyperparameters.Field.channels, .height, .width], shape) {
                declared.values[field] = extent
            }
        }
        guard let value = graph.value(Self.labelNamesKey, in: items), value != .none else { return }
        if let names = graph.texts(value) {
            declared.labelNames = names
        } else {
            warnings.append(.ignoredLabelNames(key: Self.labelNamesKey, found: graph.summary(value)))
        }
    }

    /// Takes the network's numbers from the attributes of a whole module, where they are named as expected.
    private mutating func declare(_ attributes: [(key: PickleValue, value: PickleValue)]) {
        for field in Hyperparameters.Field.allCases {
            guard let attribute = field.line.attribute, case .int(let value)? = graph.value(attribute, in: attributes)
            else { continue }
            declared.values[field] = value
        }
    }

    // MARK: - Modules

    /// Walks a whole module as torch.nn.Module.state_dict does: own parameters, own buffers, then children, joining
    /// names with dots. Bounded in depth, names and work, since a pickle can make a module its own child.
    private mutating func collectModule(_ value: PickleValue, path: String, depth: Int = 0) throws(PyTorchError) {
        guard depth < Self.depthLimit else { throw .tooDeep(path: path, limit: Self.depthLimit) }
        guard case .object(let global, let state)? = graph.node(value), let attributes = graph.dictionary(state) else {
            throw .malformedModule(path: path, expected: "a class and a __dict__")
        }
        try charge(attributes, path: path)
        try checkLayer(global, attributes, path: path)
        for (key, value) in try section("_parameters", of: attributes, path: path) {
            try add(value, name: try join(path, key))
        }
        for (key, value) in try section("_buffers", of: attributes, path: path) {
            try add(value, name: try join(path, key))
        }
        for (key, value) in try section("_modules", of: attributes, path: path) {
            try collectModule(value, path: try join(path, key), depth: depth + 1)
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

    /// Two things no tensor shows: which activation stands between convolutions, and the norms' epsilon.
    private func checkLayer(
        _ global: PickleGlobal, _ attributes: [(key: PickleValue, value: PickleValue)], path: String
    ) throws(PyTorchError) {
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

    // MARK: - Tensors

    // From `_rebuild_tensor_v2(storage, offset, size, stride, …)` to a view of the file's bytes. Strided tensors and
    // storages which several tensors share need nothing special: each is a window, and each window is checked against
    // its storage.

    private func isTensor(_ value: PickleValue) -> Bool {
        guard case .call(let global, _)? = graph.node(value) else { return false }
        return global.kind == .rebuildTensor || global.kind == .rebuildParameter
    }

    /// Appends the tensor or parameter that the pickle describes by `value`.
    private mutating func add(_ value: PickleValue, name: String) throws(PyTorchError) {
        guard name.utf8.count <= Self.nameLimit else { throw .nameTooLong(path: name, limit: Self.nameLimit) }
        guard tensors.count < Self.tensorLimit else { throw .tooManyTensors(limit: Self.tensorLimit) }
        tensors.append(try tensor(value, name: name))
    }

    private func tensor(_ value: PickleValue, name: String) throws(PyTorchError) -> Tensor {
        var call = graph.node(value)
        // Parameter(data, requires_grad, hooks) wraps a tensor, and only a tensor.
        if case .call(let global, let arguments)? = call, global.kind == .rebuildParameter {
            call = graph.node(graph.tuple(arguments)?.first)
        }
        guard case .call(let global, let arguments)? = call, global.kind == .rebuildTensor,
            let items = graph.tuple(arguments), items.count >= 4, case .int(let offset) = items[1],
            let shape = graph.integers(items[2]), let strides = graph.integers(items[3]),
            shape.count == strides.count, shape.count <= Shape.maximumRank
        else { throw .malformedTensor(name) }
        let storage = try storage(items[0], tensor: name)
        guard
            let view = Tensor(
                name: name, elementType: storage.type, shape: shape, strides: strides, elementOffset: offset,
                file: storages.file, bytes: storage.bytes)
        else {
            throw .tensorOutsideStorage(
                tensor: name, shape: shape, strides: strides, offset: offset, storage: storage.count)
        }
        // A stride of 0 could make a tensor of any size from one number.
        guard view.count <= storage.count else {
            throw .expandedTensor(name, count: view.count, storage: storage.count)
        }
        return view
    }

    /// The bytes of `('storage', class, key, location, element count)`; before PyTorch 1.6 also None, or the window of
    /// a view. The location, perhaps a GPU, does not matter: the numbers are in the file.
    private func storage(
        _ value: PickleValue, tensor: String
    ) throws(PyTorchError) -> (type: ElementType, count: Int, bytes: Range<Int>) {
        guard case .persistent(let identifier)? = graph.node(value), let items = graph.tuple(identifier),
            (5...6).contains(items.count), items[0] == .string("storage"),
            case .global(let global)? = graph.node(items[1]),
            case .storage(let type) = global.kind, case .string(let key) = items[2], key.utf8.count <= Self.nameLimit,
            case .int(let count) = items[4], count >= 0
        else { throw .malformedTensor(tensor) }
        guard let type else { throw .unsupportedStorage(tensor: tensor, type: global.path) }
        let entry = storages.prefix + key
        guard let bytes = storages.ranges[entry] else { throw .missingStorage(tensor: tensor, entry: entry) }
        guard Shape.byteCount(count, of: type) == bytes.count else {
            throw .storageSizeMismatch(
                tensor: tensor, entry: entry, found: bytes.count,
                expected: Shape.byteCount(count, of: type) ?? .max)
        }
        guard items.count == 6, items[5] != .none else { return (type, count, bytes) }
        // A view: its own key, which nothing refers to, then offset and length in elements.
        guard let view = graph.tuple(items[5]), view.count == 3, case .int(let offset) = view[1],
            case .int(let length) = view[2], offset >= 0, length >= 0, offset <= count, length <= count - offset
        else { throw .malformedTensor(tensor) }
        let start = bytes.lowerBound + offset * type.size
        return (type, length, start..<start + length * type.size)
    }
}

/// Byte ranges of the storages, each inside the file, no two sharing a byte.
struct StorageTable {
    let file: ModelFile
    /// What stands before a storage's key in `ranges`, and in messages.
    let prefix: String
    let ranges: [String: Range<Int>]
}

// MARK: - Errors

/// A PyTorch file this reader refuses.
package enum PyTorchError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A ZIP archive without `data.pkl`, or with several.
    case notPyTorchArchive
    /// A part of a file without ZIP, as PyTorch wrote it before 1.6, that is not as it should be.
    case malformedLegacyFile(part: String, found: String, expected: String)
    /// Storages written on a big-endian machine, or with an unreadable `byteorder`.
    case unsupportedByteOrder(String)
    /// The pickle's value is neither a module, nor a state_dict, nor a checkpoint dictionary.
    case unexpectedContent(found: String)
    /// The whole module is of another class.
    case unexpectedClass(String)
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
    /// A storage whose element type is not one of those read.
    case unsupportedStorage(tensor: String, type: String)
    /// The file has no entry, or storage, for a tensor's numbers.
    case missingStorage(tensor: String, entry: String)
    /// An entry, or what is left of the file, has another size than the tensor's storage.
    case storageSizeMismatch(tensor: String, entry: String, found: Int, expected: Int)
    /// A tensor's offset, shape and strides reach outside its storage.
    case tensorOutsideStorage(tensor: String, shape: [Int], strides: [Int], offset: Int, storage: Int)
    /// A tensor has more elements than its storage, and so repeats some.
    case expandedTensor(String, count: Int, storage: Int)
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
            "the file's byte order is \(quoted(found)); only “little” is read: load and save it again with PyTorch on "
                + "a little-endian machine"
        case .unexpectedContent(let found):
            "the file holds \(found), neither a module nor a state_dict; "
                + "save torch.save(model.state_dict(), path)"
        case .unexpectedClass(let name):
            "the file holds a module of class \(quoted(name)); of whole modules only \(PickleGlobal.network) is read; "
                + "if the network is in it, save its weights alone: torch.save(model.state_dict(), path)"
        case .noTensors(let keys):
            "the file's dictionary holds no tensors and none of state_dict, model_state_dict, model; its keys are "
                + (keys.isEmpty ? "none" : keys.prefix(8).joined(separator: ", "))
                + "; save the model's state_dict alone, or under one of those keys"
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
        case .unsupportedStorage(let tensor, let type):
            "tensor \(quoted(tensor)) has storage type \(quoted(type)); float, half, bfloat16, double, bool and "
                + "integers are read"
        case .missingStorage(let tensor, let entry):
            "tensor \(quoted(tensor)) has its numbers in \(quoted(entry)), which the file lacks"
        case .storageSizeMismatch(let tensor, let entry, let found, let expected):
            "tensor \(quoted(tensor)): \(quoted(entry)) has \(found) bytes, its storage \(expected)"
        case .tensorOutsideStorage(let tensor, let shape, let strides, let offset, let storage):
            "tensor \(quoted(tensor)), shape \(Shape.text(shape)), strides \(Shape.text(strides)), offset \(offset), "
                + "reaches outside its storage of \(storage) elements"
        case .expandedTensor(let name, let count, let storage):
            "tensor \(quoted(name)) repeats the \(storage) elements of its storage to \(count); save it contiguous"
        case .wrongLayer(let path, let found, let expected):
            "module \(quoted(path)) is \(found); the network has \(expected) there"
        }
    }
}
