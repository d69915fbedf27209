// From `_rebuild_tensor_v2(storage, offset, size, stride, …)` to a view of the mapped file. Strided tensors and
// storages that several tensors share need nothing special: each is a window, and each window is checked against its
// storage.

extension PyTorchFile {
    func isTensor(_ value: PickleValue) -> Bool {
        guard case .call(let global, _)? = graph.node(value) else { return false }
        return global.kind == .rebuildTensor || global.kind == .rebuildParameter
    }

    /// Appends the tensor or parameter that the pickle describes by `value`.
    mutating func add(_ value: PickleValue, name: String) throws(PyTorchError) {
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
