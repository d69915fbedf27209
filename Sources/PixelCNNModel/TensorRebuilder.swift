// The tensors of a PyTorch file: from a call of `_rebuild_tensor_v2(storage, offset, size, stride, …)`, or one of its
// siblings, to a view of the file's bytes.
//
// Strided tensors and storages which several tensors share need nothing special: each tensor is a window, and each
// window is checked against its storage.

import Support

struct TensorRebuilder {
    /// Parameters within parameters, tensors within variables; a pickle can make one its own content.
    private static let wrapperLimit = 16
    private static let keyLimit = 512

    let graph: PickleGraph
    let storages: StorageTable

    /// The tensor that the pickle describes by `value`, or the type that is not read.
    func rebuild(_ value: PickleValue, name: String) throws(PyTorchError) -> TensorReading {
        try rebuild(value, name: name, depth: 0)
    }

    private func rebuild(_ value: PickleValue, name: String, depth: Int) throws(PyTorchError) -> TensorReading {
        var value = value
        for depth in depth..<Self.wrapperLimit {
            guard case .node(let number) = value, case .call(let global, let arguments) = graph.nodes[number],
                case .tensor(let constructor) = global.kind
            else { return .unread(type: graph.summary(value)) }
            guard let items = graph.tuple(arguments) else { throw .malformedTensor(name) }
            // Before 0.4, numbers came after the tensor was made: (storage, offset, size, stride) of a tensor,
            // (tensor, …) of a variable.
            if let state = graph.attributes[number] {
                guard let parts = graph.tuple(state) else { throw .malformedTensor(name) }
                if parts.count == 4 { return try strided(parts, name: name) }
                if parts.count == 5 {
                    value = parts[0]
                    continue
                }
                guard parts.count == 3 else { throw .malformedTensor(name) }  // requires_grad and hooks
            }
            switch constructor {
            case .strided: return try strided(items, name: name)
            case .typed: return try typed(items, name: name)
            case .wrapper:
                guard let tensor = items.first else { throw .malformedTensor(name) }
                value = tensor
            case .ofDevice:
                guard items.count > 1, case .global(let type)? = graph.node(items[1]) else {
                    throw .malformedTensor(name)
                }
                let reading = try rebuild(items[0], name: name, depth: depth + 1)
                guard case .tensor(let tensor) = reading, tensor.elementType.pyTorchName == type.elementName else {
                    return .unread(type: type.elementName)
                }
                return reading
            case .ofClass:
                guard items.count > 2, case .global(let type)? = graph.node(items[1]),
                    case .global(let inner)? = graph.node(items[0]), let arguments = graph.tuple(items[2])
                else { throw .malformedTensor(name) }
                guard PickleGlobal.plainTensors.contains(type.path) else { return .unread(type: quoted(type.path)) }
                switch inner.kind {
                case .tensor(.strided): return try strided(arguments, name: name)
                case .tensor(.typed): return try typed(arguments, name: name)
                default: return .unread(type: typeName(inner, arguments))
                }
            case .empty: return .unread(type: quoted(global.path))
            case .other: return .unread(type: typeName(global, items))
            }
        }
        throw .malformedTensor(name)
    }

    /// What a tensor without plain numbers is, in a word: `sparse`, `quint8`, `meta`.
    private func typeName(_ global: PickleGlobal, _ items: [PickleValue]) -> String {
        let name = global.path.split(separator: ".").last ?? ""
        switch name {
        case "_rebuild_qtensor":
            guard let storage = items.first, case .persistent(let identifier)? = graph.node(storage),
                let parts = graph.tuple(identifier), parts.count > 1, case .global(let type)? = graph.node(parts[1])
            else { return UnreadTensor.quantised }
            return type.elementName
        case "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor": return UnreadTensor.sparse
        case "_rebuild_meta_tensor_no_storage": return UnreadTensor.meta
        case "_rebuild_nested_tensor": return "nested"
        case "UninitializedParameter", "UninitializedBuffer": return UnreadTensor.uninitialised
        case "_rebuild_wrapper_subclass":
            guard let first = items.first, case .global(let type)? = graph.node(first) else {
                return quoted(global.path)
            }
            return quoted(type.path)
        default: return quoted(global.path)
        }
    }

    private func strided(_ items: [PickleValue], name: String) throws(PyTorchError) -> TensorReading {
        guard items.count >= 4 else { throw .malformedTensor(name) }
        let storage = try storage(items[0], tensor: name)
        guard let type = storage.type.type else { return .unread(type: storage.type.name) }
        return try view(
            items, of: storage, type, isBigEndian: storages.isBigEndian && !storage.isUntyped,
            metadata: items.count > 6 ? items[6] : .none, name: name)
    }

    private func typed(_ items: [PickleValue], name: String) throws(PyTorchError) -> TensorReading {
        guard items.count >= 7, case .global(let global)? = graph.node(items[6]) else { throw .malformedTensor(name) }
        guard case .elementType(let type?) = global.kind else { return .unread(type: global.elementName) }
        let storage = try storage(items[0], tensor: name)
        // PyTorch never swaps the bytes of an untyped storage.
        return try view(
            items, of: storage, type, isBigEndian: false, metadata: items.count > 7 ? items[7] : .none, name: name)
    }

    /// A window on a storage, (…, offset, size, stride), checked against it.
    private func view(
        _ items: [PickleValue], of storage: Storage, _ type: ElementType, isBigEndian: Bool, metadata: PickleValue,
        name: String
    ) throws(PyTorchError) -> TensorReading {
        guard case .int(let offset) = items[1], let shape = graph.integers(items[2]),
            let strides = graph.integers(items[3]), shape.count == strides.count
        else { throw .malformedTensor(name) }
        guard shape.count <= Shape.maximumRank else { return .unread(type: "of \(shape.count) dimensions") }
        var reading: Tensor.Reading = isBigEndian ? .bigEndian : []
        // PyTorch sets a bit for each key, whatever its value, and takes no conjugate of a real number.
        for (key, _) in graph.dictionary(metadata) ?? [] {
            switch key {
            case .string("neg"): reading.insert(.negated)
            case .string("conj"): throw .malformedTensor(name)
            default: break
            }
        }
        guard !reading.contains(.negated) || type.isFloatingPoint else {
            return .unread(type: "negated \(type.pyTorchName)")
        }
        guard
            let view = Tensor(
                name: name, elementType: type, shape: shape, strides: strides, elementOffset: offset,
                file: storages.file, bytes: storage.bytes, reading: reading)
        else {
            throw .tensorOutsideStorage(
                tensor: name, shape: shape, strides: strides, offset: offset, storage: storage.bytes.count / type.size)
        }
        return .tensor(view)
    }

    private struct Storage {
        let type: (type: ElementType?, name: String)
        let isUntyped: Bool
        let bytes: Range<Int>
    }

    /// The bytes of `('storage', class, key, location, element count)`; before PyTorch 1.6 also None, or the window of
    /// a view. The location, perhaps a GPU, does not matter: the numbers are in the file.
    private func storage(_ value: PickleValue, tensor: String) throws(PyTorchError) -> Storage {
        guard case .persistent(let identifier)? = graph.node(value), let items = graph.tuple(identifier),
            (5...6).contains(items.count), items[0] == .string("storage"),
            case .global(let global)? = graph.node(items[1]), case .storage(let type) = global.kind,
            let width = global.storageWidth, case .string(let key) = items[2], key.utf8.count <= Self.keyLimit,
            case .int(let count) = items[4], count >= 0
        else { throw .malformedTensor(tensor) }
        let name = (type: type, name: global.elementName)
        let isUntyped = global.path.hasSuffix("UntypedStorage")
        let entry = storages.prefix + key
        guard let bytes = storages.ranges[entry] else { throw .missingStorage(tensor: tensor, entry: entry) }
        let (expected, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow, expected == bytes.count else {
            throw .storageSizeMismatch(
                tensor: tensor, entry: entry, found: bytes.count, expected: overflow ? .max : expected)
        }
        guard items.count == 6, items[5] != .none else {
            return Storage(type: name, isUntyped: isUntyped, bytes: bytes)
        }
        // A view: its own key, which nothing refers to, then offset and length in elements.
        guard let view = graph.tuple(items[5]), view.count == 3, case .int(let offset) = view[1],
            case .int(let length) = view[2], offset >= 0, length >= 0, offset <= count, length <= count - offset
        else { throw .malformedTensor(tensor) }
        let start = bytes.lowerBound + offset * width
        return Storage(type: name, isUntyped: isUntyped, bytes: start..<start + length * width)
    }
}

/// Byte ranges of the storages, each inside the file, no two sharing a byte.
struct StorageTable {
    let file: ModelFile
    /// What stands before a storage's key in `ranges`, and in messages.
    let prefix: String
    let ranges: [String: Range<Int>]
    var isBigEndian = false
}
