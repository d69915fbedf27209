// Writes a model as safetensors: parameters as float32, then the bool masks that a strict load_state_dict asks for,
// each in PyTorch's order. The same model gives the same bytes. One tensor at a time is in memory.
//
// Float32 first, so that every tensor starts aligned and the daemon reads it in place.

import AtomicFiles

extension Model {
    /// Writes the file whole or not at all: beside `path`, synced, then renamed over it.
    ///
    /// The network's numbers are in its `__metadata__`, each as decimal text: `pixelcnn.channels`, `pixelcnn.height`,
    /// `pixelcnn.width`, `pixelcnn.colors`, `pixelcnn.blocks`, `pixelcnn.filters`, `pixelcnn.kernel_size`,
    /// `pixelcnn.hidden`; of a conditional network also `pixelcnn.labels`, and the names of its classes as a JSON
    /// array, `pixelcnn.label_names`; and `format` is `pt`, as PyTorch's loaders like to see.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - extra: float32 tensors that follow the model's own: a checkpoint's.
    ///   - metadata: further texts for `__metadata__`; printable ASCII without quotes and backslashes.
    /// - Throws: `ModelFileError` where the file cannot be created, written or renamed.
    package func writeSafetensors(
        to path: String, extra: [Tensor] = [], metadata: [String: String] = [:]
    ) throws(ModelFileError) {
        do throws(AtomicFileError) {
            let file = try AtomicFile(path: path)
            try writeSafetensors(to: file, extra, metadata)
            try file.commit()
        } catch {
            throw ModelFileError(file: path, .cannotWrite(reason: error.reason))
        }
    }

    private func writeSafetensors(
        to file: borrowing AtomicFile, _ extra: [Tensor], _ metadata: [String: String]
    ) throws(AtomicFileError) {
        // Extra tensors are float32, too, and come before the masks, which end anywhere.
        let specs =
            hyperparameters.parameters + extra.map { TensorSpec(name: $0.name, shape: $0.shape, role: .bias) }
            + hyperparameters.masks
        let extra = Dictionary(uniqueKeysWithValues: extra.map { ($0.name, $0) })
        let header = safetensorsHeader(specs, metadata)
        try file.write(withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) })
        try file.write(header)
        for spec in specs {
            if case .mask(let mask) = spec.role {
                try file.write(mask.values().map { $0 ? 1 : 0 })
            } else {
                try file.write((extra[spec.name] ?? self[spec.name]).floats().withUnsafeBytes { Array($0) })
            }
        }
    }

    private func safetensorsHeader(_ specs: [TensorSpec], _ more: [String: String]) -> [UInt8] {
        var metadata = DeclaredHyperparameters(hyperparameters).values.compactMap { field, value in
            field == .labels && value == 0 ? nil : (field.metadataKey, "\(value)")
        }
        metadata.append(("format", "pt"))
        if !labelNames.isEmpty {
            let names = labelNames.map { "\"\(Self.escaped($0))\"" }.joined(separator: ",")
            metadata.append((DeclaredHyperparameters.labelNamesKey, Self.escaped("[\(names)]")))
        }
        metadata += more.map { ($0.key, $0.value) }
        precondition(
            more.allSatisfy { ($0 + $1).utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x22 && $0 != 0x5c } },
            "metadata that needs escaping")
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

    /// Text as it stands between JSON's quotes; of what a name may have, quotes and backslashes need escaping. Scalars,
    /// not characters: a combining mark after a quote makes another character of it.
    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
    }
}
