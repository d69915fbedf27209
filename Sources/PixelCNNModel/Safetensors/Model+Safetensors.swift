// Writes a model as safetensors: parameters as float32, then the bool masks that a strict load_state_dict asks for, each
// in PyTorch's order. The same model gives the same bytes. One tensor at a time is in memory.
//
// Float32 first, so that every tensor starts aligned and the daemon reads it in place.

import AtomicFiles

extension Model {
    /// Writes the file whole or not at all: beside `path`, synced, then renamed over it.
    ///
    /// The network's numbers are in its `__metadata__`, each as decimal text: `pixelcnn.channels`, `pixelcnn.height`,
    /// `pixelcnn.width`, `pixelcnn.colors`, `pixelcnn.blocks`, `pixelcnn.filters`, `pixelcnn.kernel_size`,
    /// `pixelcnn.hidden`; and `format` is `pt`, as PyTorch's loaders like to see.
    ///
    /// - Throws: `ModelFileError` where the file cannot be created, written or renamed.
    public func writeSafetensors(to path: String) throws(ModelFileError) {
        do throws(AtomicFileError) {
            let file = try AtomicFile(path: path)
            try writeSafetensors(to: file)
            try file.commit()
        } catch {
            throw ModelFileError(file: path, .cannotWrite(reason: SystemError.text(error.errno)))
        }
    }

    private func writeSafetensors(to file: borrowing AtomicFile) throws(AtomicFileError) {
        let specs = hyperparameters.parameters + hyperparameters.masks
        let header = safetensorsHeader(specs)
        try file.write(withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) })
        try file.write(header)
        for spec in specs {
            if case .mask(let mask) = spec.role {
                try file.write(mask.values().map { $0 ? 1 : 0 })
            } else {
                try file.write(self[spec.name].floats().withUnsafeBytes { Array($0) })
            }
        }
    }

    private func safetensorsHeader(_ specs: [TensorSpec]) -> [UInt8] {
        var metadata = DeclaredHyperparameters(hyperparameters).values.map { ($0.metadataKey, "\($1)") }
        metadata.append(("format", "pt"))
        let pairs = metadata.sorted { $0.0 < $1.0 }.map { "\"\($0)\":\"\($1)\"" }
        var items = ["\"__metadata__\":{\(pairs.joined(separator: ","))}"]
        var begin = 0
        for spec in specs {  // names are ours, so nothing in them needs escaping
            let type: ElementType = spec.isMask ? .bool : .f32
            let end = begin + spec.count * type.size
            let shape = spec.shape.map(String.init).joined(separator: ",")
            items.append(
                "\"\(spec.name)\":{\"dtype\":\"\(type.safetensorsName)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(begin),\(end)]}")
            begin = end
        }
        var json = Array("{\(items.joined(separator: ","))}".utf8)
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: -json.count & 7))  // align the data to 8 bytes
        return json
    }
}
