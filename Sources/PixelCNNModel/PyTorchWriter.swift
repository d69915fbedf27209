// Writes a model as `torch.save(model.state_dict(), path)` does, masks included, so that torch.load (weights_only or
// not) and a strict load_state_dict take it. The same model gives the same bytes. One tensor at a time is in memory.

import Support

extension Model {
    /// Writes the file whole or not at all: beside `path`, synced, then renamed over it. What no tensor says are
    /// attributes of the dictionary, `in_shape` (C, H, W) and `label_names`: entries, a strict load_state_dict would
    /// refuse.
    ///
    /// - Throws: `ModelFileError` where the file cannot be created, written or renamed, or a tensor has more
    ///   than 2³¹ − 1 numbers.
    package func writePyTorch(to path: String) throws(ModelFileError) {
        guard description.tensors.allSatisfy({ $0.shape.reduce(1, *) <= Int(Int32.max) }) else {
            throw ModelFileError(
                file: path,
                .cannotWrite(reason: "a tensor has more than 2³¹ − 1 numbers; a .safetensors file can hold it"))
        }
        do throws(AtomicFileError) {
            let file = try AtomicFile(path: path)
            try writePyTorch(to: file)
            try file.commit()
        } catch {
            throw ModelFileError(file: path, .cannotWrite(reason: error.reason))
        }
    }

    private func writePyTorch(to file: borrowing AtomicFile) throws(AtomicFileError) {
        let specs = description.tensors
        // As PyTorch lays them out: all in one folder, each entry's bytes at a multiple of 64.
        var archive = ZIPWriter(alignment: 64)
        func add(_ name: String, _ bytes: [UInt8]) throws(AtomicFileError) {
            let checksum = ZIPWriter.checksum(0, bytes)
            try file.write(archive.header("archive/\(name)", count: bytes.count, checksum: checksum))
            try file.write(bytes)
        }
        try add("data.pkl", stateDictionary(specs))
        try add("byteorder", Array("little".utf8))
        for (i, spec) in specs.enumerated() {
            if case .mask(let mask) = spec.role {
                try add("data/\(i)", mask.values().map { $0 ? 1 : 0 })
            } else {
                try add("data/\(i)", self[spec.name].floats().withUnsafeBytes { Array($0) })
            }
        }
        try add("version", Array("3\n".utf8))
        try file.write(archive.end())
    }

    /// An OrderedDict from name to tensor, each a whole storage of its own, in pickle's protocol 2.
    private func stateDictionary(_ specs: [TensorSpec]) -> [UInt8] {
        var pickle = PickleWriter()
        pickle.emptyOrderedDictionary()
        pickle.mark()
        for (i, spec) in specs.enumerated() {
            pickle.text(spec.name)
            pickle.global("torch._utils", "_rebuild_tensor_v2")
            pickle.tuple {
                $0.tuple {
                    $0.text("storage")
                    $0.global("torch", spec.isMask ? "BoolStorage" : "FloatStorage")
                    $0.text("\(i)")
                    $0.text("cpu")
                    $0.integer(spec.count)
                }
                $0.persistentIdentifier()
                $0.integer(0)  // offset in the storage
                $0.tuple { for extent in spec.shape { $0.integer(extent) } }
                $0.tuple { for stride in Shape.rowMajorStrides(spec.shape) { $0.integer(stride) } }
                $0.no()  // needs no gradient
                $0.emptyOrderedDictionary()  // hooks
            }
            pickle.call()
        }
        pickle.setItems()
        pickle.emptyDictionary()
        pickle.mark()
        pickle.text(PyTorchFile.shapeKey)
        pickle.tuple {
            for extent in [hyperparameters.channels, hyperparameters.height, hyperparameters.width] {
                $0.integer(extent)
            }
        }
        if !labelNames.isEmpty {
            pickle.text(PyTorchFile.labelNamesKey)
            pickle.list(labelNames)
        }
        pickle.setItems()
        pickle.build()
        return pickle.end()
    }
}

/// The few instructions of pickle's protocol 2 that a state_dict takes. Nothing is memoised: each name stands where it
/// is used, and a reader need not follow references.
private struct PickleWriter {
    private var bytes: [UInt8] = [0x80, 2]

    mutating func global(_ module: String, _ name: String) {
        bytes.append(UInt8(ascii: "c"))
        bytes += "\(module)\n\(name)\n".utf8
    }

    mutating func text(_ text: String) {
        bytes.append(UInt8(ascii: "X"))
        append(UInt32(text.utf8.count))
        bytes += text.utf8
    }

    /// A number from 0 to 2³¹ − 1.
    mutating func integer(_ value: Int) {
        bytes.append(UInt8(ascii: "J"))
        append(UInt32(value))
    }

    mutating func no() { bytes.append(0x89) }

    mutating func mark() { bytes.append(UInt8(ascii: "(")) }

    mutating func tuple(_ elements: (inout PickleWriter) -> Void) {
        mark()
        elements(&self)
        bytes.append(UInt8(ascii: "t"))
    }

    /// Calls what lies below a tuple with it.
    mutating func call() { bytes.append(UInt8(ascii: "R")) }

    mutating func emptyOrderedDictionary() {
        global("collections", "OrderedDict")
        tuple { _ in }
        call()
    }

    mutating func emptyDictionary() { bytes.append(UInt8(ascii: "}")) }

    mutating func list(_ texts: [String]) {
        bytes.append(UInt8(ascii: "]"))
        mark()
        for text in texts { self.text(text) }
        bytes.append(UInt8(ascii: "e"))
    }

    /// Gives what lies below a dictionary its items as attributes.
    mutating func build() { bytes.append(UInt8(ascii: "b")) }

    /// Looks the topmost value up outside of the pickle.
    mutating func persistentIdentifier() { bytes.append(UInt8(ascii: "Q")) }

    /// Puts keys and values since the mark into the dictionary below it.
    mutating func setItems() { bytes.append(UInt8(ascii: "u")) }

    consuming func end() -> [UInt8] { bytes + [UInt8(ascii: ".")] }

    private mutating func append(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
