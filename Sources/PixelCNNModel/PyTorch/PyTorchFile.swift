// A file written by torch.save: a ZIP archive with a pickle, `*/data.pkl`, and one entry a storage, `*/data/N`; or what
// LegacyPyTorchFile has read of a file without ZIP.
//
// Finds the tensors, whichever of the usual forms the file has, as views of the mapped storages: nothing is copied, and
// only the tensors of the model are looked at, not those of an optimizer saved beside it.

struct PyTorchFile {
    /// Generous: the largest network that hyperparameters allow has about 9,000 tensors.
    static let tensorLimit = 16_384
    static let nameLimit = 512
    static let depthLimit = 16
    /// Dictionary entries looked at while walking modules; shared modules count each time.
    static let workLimit = 1 << 24

    let storages: StorageTable
    let graph: PickleGraph

    var tensors: [Tensor] = []
    var declared = DeclaredHyperparameters()
    var warnings: [String] = []
    var work = 0

    /// What the file holds, under plain names.
    static func read(_ file: MappedFile) throws(ModelFileError.Problem) -> ModelContents {
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
        guard archive.entries[folder + "constants.pkl"] == nil else { throw .torchScript }
        if let order = archive[folder + "byteorder"] {  // absent before PyTorch 2.1
            let text = String(decoding: order.prefix(16), as: UTF8.self)
            guard text == "little" else { throw .unsupportedByteOrder(text) }
        }
        return folder
    }

    // MARK: The three forms

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
        if !others.isEmpty {
            warnings.append("entries that are no tensors are ignored: \(others.joined(separator: ", "))")
        }
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
            declared.values[.channels] = shape[0]
            declared.values[.height] = shape[1]
            declared.values[.width] = shape[2]
        }
        guard let value = graph.value(Self.labelNamesKey, in: items), value != .none else { return }
        if let names = graph.texts(value) {
            declared.labelNames = names
        } else {
            warnings.append("\(Self.labelNamesKey) is ignored: it is \(graph.summary(value)), not a list of texts")
        }
    }

    /// Takes the network's numbers from the attributes of a whole module, where they are named as expected.
    private mutating func declare(_ attributes: [(key: PickleValue, value: PickleValue)]) {
        func integer(_ key: String) -> Int? {
            if case .int(let value)? = graph.value(key, in: attributes) { value } else { nil }
        }
        declared.values[.colors] = integer("n_colors")
        declared.values[.blocks] = integer("n_blocks")
        declared.values[.filters] = integer("filters")
        declared.values[.kernelSize] = integer("kernel_size")
        declared.values[.labels] = integer("n_labels")
    }
}
