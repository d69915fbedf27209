// Reads a safetensors file: eight bytes of header length, the JSON header, then the tensors' bytes without a gap. Every
// byte of the file must belong to exactly one tensor, so nothing can hide in it and no two tensors can share.

enum SafetensorsFile {
    /// What the file holds; tensors are views of the mapped file.
    static func read(_ file: MappedFile) throws(ModelFileError.Problem) -> ModelContents {
        do throws(SafetensorsError) {
            return try contents(file)
        } catch {
            throw .safetensors(error)
        }
    }

    private static func contents(_ file: MappedFile) throws(SafetensorsError) -> ModelContents {
        let announced = file.bytes.littleEndian(at: 0, as: UInt64.self) ?? .max
        guard let headerSize = Int(exactly: announced), headerSize <= file.bytes.count - 8 else {
            throw .headerOutOfRange(announced: announced, fileBytes: file.bytes.count)
        }
        guard headerSize <= SafetensorsHeader.sizeLimit else {
            throw .headerTooLarge(bytes: headerSize, limit: SafetensorsHeader.sizeLimit)
        }
        let start = 8 + headerSize
        let header = try SafetensorsHeader(json: UnsafeRawBufferPointer(rebasing: file.bytes[8..<start]))
        try checkLayout(header.entries, dataBytes: file.bytes.count - start)
        var tensors: [Tensor] = []
        for entry in header.entries {
            let bytes = entry.end - entry.begin
            guard let count = Shape.count(entry.shape), Shape.byteCount(count, of: entry.type) == bytes,
                let tensor = Tensor(
                    name: entry.name, elementType: entry.type, shape: entry.shape,
                    strides: Shape.rowMajorStrides(entry.shape), elementOffset: 0, file: file,
                    bytes: start + entry.begin..<start + entry.end)
            else { throw .sizeMismatch(tensor: entry.name, shape: entry.shape, type: entry.type, bytes: bytes) }
            tensors.append(tensor)
        }
        return ModelContents(
            file: file, format: .safetensors, tensors: tensors, declared: try declared(header.metadata),
            metadata: header.metadata)
    }

    /// Every byte of the data belongs to exactly one tensor.
    private static func checkLayout(
        _ entries: [SafetensorsHeader.Entry], dataBytes: Int
    ) throws(SafetensorsError) {
        var end = 0
        var last = ""
        for entry in entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            guard entry.begin <= entry.end, entry.end <= dataBytes else {
                throw .offsetsOutOfRange(tensor: entry.name, begin: entry.begin, end: entry.end, dataBytes: dataBytes)
            }
            guard entry.begin >= end else { throw .overlappingTensors(last, entry.name) }
            guard entry.begin == end else { throw .hole(before: entry.name, bytes: entry.begin - end) }
            (end, last) = (entry.end, entry.name)
        }
        guard end == dataBytes else { throw .trailingBytes(dataBytes - end) }
    }

    /// The strings of a JSON array; nil where the text is anything else.
    private static func labelNames(_ json: String) -> [String]? {
        Array(json.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            guard let names = try? scanner.strings(), (try? scanner.expectEnd()) != nil else { return nil }
            return names
        }
    }

    private static func declared(_ metadata: [String: String]) throws(SafetensorsError) -> DeclaredHyperparameters {
        var declared = DeclaredHyperparameters()
        for field in DeclaredHyperparameters.Field.allCases {
            guard let text = metadata[field.metadataKey] else { continue }
            guard let value = Int(text) else { throw .malformedMetadata(key: field.metadataKey, found: text) }
            declared.values[field] = value
        }
        if let text = metadata[DeclaredHyperparameters.labelNamesKey] {
            guard let names = labelNames(text) else { throw .malformedLabelNames(found: text) }
            declared.labelNames = names
        }
        return declared
    }
}
