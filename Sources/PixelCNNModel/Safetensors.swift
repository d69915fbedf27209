// The safetensors format, read and written: eight bytes of header length, the JSON header, then the tensors' bytes.
//
// Reading trusts nothing: every byte of the file must belong to exactly one tensor, so nothing can hide in it and no
// two tensors can share. Writing is deterministic, holds one tensor at a time, and puts float32 first, so that every
// tensor starts aligned and the daemon reads it in place.

import StrictJSON
import Support

// MARK: - Reading

enum SafetensorsFile {
    /// What the file holds; tensors are views of its bytes.
    ///
    /// - Parameter weights: which copy of the network to take; see `NetworkCopies`.
    static func read(_ file: ModelFile, weights: String?) throws(ModelFileError.Problem) -> ModelContents {
        let names: [String]
        let readings: [TensorReading]
        let metadata: [String: String]
        var parts = ModelContents.Parts(format: .safetensors)
        do throws(SafetensorsError) {
            (names, readings, metadata) = try contents(file)
            parts.declared = try declared(metadata)
        } catch {
            throw .safetensors(error)
        }
        parts.metadata = metadata
        let copies = NetworkCopies(names.map { TensorName(container: 0, path: "", key: $0) })
        do throws(ModelDataError) {
            guard let choice = try copies.choose(weights) else {
                for (name, reading) in zip(names, readings) { parts.add(reading, name: NetworkCopies.plain(name)) }
                return ModelContents(file: file, parts)
            }
            parts.take(
                choice.taken, left: choice.left, isUsual: choice.isUsual,
                of: zip(names, readings).enumerated().map { ($0, (name: $1.0, reading: $1.1)) })
        } catch { throw .model(error) }
        return ModelContents(file: file, parts)
    }

    /// The tensors, their names, and the metadata.
    private static func contents(
        _ file: ModelFile
    ) throws(SafetensorsError) -> ([String], [TensorReading], [String: String]) {
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
        var readings: [TensorReading] = []
        for entry in header.entries {
            guard let type = entry.elementType, entry.shape.count <= Shape.maximumRank else {
                let isKnown = entry.elementType != nil
                readings.append(.unread(type: isKnown ? "of \(entry.shape.count) dimensions" : entry.type))
                continue
            }
            let bytes = entry.end - entry.begin
            guard let count = Shape.count(entry.shape), Shape.byteCount(count, of: type) == bytes,
                let tensor = Tensor(
                    name: entry.name, elementType: type, shape: entry.shape,
                    strides: Shape.rowMajorStrides(entry.shape), elementOffset: 0, file: file,
                    bytes: start + entry.begin..<start + entry.end)
            else { throw .sizeMismatch(tensor: entry.name, shape: entry.shape, type: type, bytes: bytes) }
            readings.append(.tensor(tensor))
        }
        return (header.entries.map(\.name), readings, header.metadata)
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
            end = entry.end
            last = entry.name
        }
        guard end == dataBytes else { throw .trailingBytes(dataBytes - end) }
    }

    private static func declared(_ metadata: [String: String]) throws(SafetensorsError) -> DeclaredHyperparameters {
        var declared = DeclaredHyperparameters()
        for field in Hyperparameters.Field.allCases {
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

    /// The strings of a JSON array; nil where the text is anything else.
    private static func labelNames(_ json: String) -> [String]? {
        let limits = JSONReader.Limits(depth: 1, values: .max)  // a text in the header, which is bounded
        guard case .array(let elements)? = try? JSONValue(parsing: Array(json.utf8), limits: limits) else { return nil }
        var names: [String] = []
        for element in elements {
            guard case .string(let name) = element else { return nil }
            names.append(name)
        }
        return names
    }
}

/// The header: a JSON object of tensors by name, each with type, shape and byte range, and free text under
/// `__metadata__`. Reading it checks the form; SafetensorsFile checks the ranges.
private struct SafetensorsHeader {
    /// One tensor as the header describes it; offsets count from the end of the header.
    struct Entry {
        let name: String
        /// As the file has it.
        let type: String
        let shape: [Int]
        let begin: Int
        let end: Int

        init(_ name: String, _ fields: Fields) throws(SafetensorsError) {
            guard let type = fields.type else { throw .missingField(tensor: name, field: "dtype") }
            guard let shape = fields.shape else { throw .missingField(tensor: name, field: "shape") }
            guard let offsets = fields.offsets, offsets.count == 2 else {
                throw .missingField(tensor: name, field: "data_offsets")
            }
            self.name = name
            self.type = type
            self.shape = shape
            begin = offsets[0]
            end = offsets[1]
        }

        /// Nil for a type that no network of ours has.
        var elementType: ElementType? { ElementType.allCases.first { $0.safetensorsName == type } }
    }

    /// What the header has of a tensor; any of it may be missing.
    struct Fields {
        var type: String?
        var shape: [Int]?
        var offsets: [Int]?
    }

    /// Describing the largest network allowed takes about 1 MB.
    static let sizeLimit = 16 << 20

    let entries: [Entry]
    private(set) var metadata: [String: String] = [:]

    /// Pulls what the format prescribes: there is no tree, and anything else is an error on the spot.
    init(json: UnsafeRawBufferPointer) throws(SafetensorsError) {
        // Tensors, their fields, the numbers of one: three levels. The header's size bounds how many.
        var reader = JSONReader(json, limits: JSONReader.Limits(depth: 3, values: .max))
        var tensors: [(name: String, fields: Fields)] = []
        var current: String?
        do throws(JSONError) {
            try reader.beginObject()
            while let name = try reader.nextName() {
                if name == "__metadata__" {
                    metadata = try Self.texts(&reader)
                } else {
                    current = name
                    tensors.append((name, try Self.fields(&reader)))
                    current = nil
                }
            }
            try reader.finish()
        } catch {
            throw SafetensorsError(error, at: reader.offset, tensor: current)
        }
        entries = try tensors.map { tensor throws(SafetensorsError) in try Entry(tensor.name, tensor.fields) }
    }

    private static func texts(_ reader: inout JSONReader) throws(JSONError) -> [String: String] {
        var texts: [String: String] = [:]
        try reader.beginObject()
        while let key = try reader.nextName() { texts[key] = try reader.string() }
        return texts
    }

    private static func fields(_ reader: inout JSONReader) throws(JSONError) -> Fields {
        var fields = Fields()
        var isEmpty = true
        try reader.beginObject()
        while let key = try reader.nextName() {
            isEmpty = false
            switch key {
            case "dtype": fields.type = try reader.string()
            case "shape": fields.shape = try integers(&reader)
            case "data_offsets": fields.offsets = try integers(&reader)
            default: throw unexpected(reader, "dtype, shape or data_offsets")
            }
        }
        guard !isEmpty else { throw unexpected(reader, "dtype, shape and data_offsets") }
        return fields
    }

    /// PyTorch's own.
    private static let rankLimit = 64

    private static func integers(_ reader: inout JSONReader) throws(JSONError) -> [Int] {
        var integers: [Int] = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard integers.count < rankLimit else { throw unexpected(reader, "at most \(rankLimit) numbers") }
            let text = try reader.number()
            guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
                throw unexpected(reader, "an unsigned integer")
            }
            guard let integer = Int(text) else { throw unexpected(reader, "an integer below 2^63") }
            integers.append(integer)
        }
        return integers
    }

    private static func unexpected(_ reader: JSONReader, _ expected: String) -> JSONError {
        .unexpectedByte(offset: reader.offset, expected: expected)
    }
}

extension ElementType {
    /// What the safetensors format calls this type: our name in capitals.
    fileprivate var safetensorsName: String { rawValue.uppercased() }
}

// MARK: - Writing

extension Model {
    /// Writes the file whole or not at all: beside `path`, synced, then renamed over it. It holds the parameters as
    /// float32, then the bool masks that a strict load_state_dict asks for, each in PyTorch's order.
    ///
    /// The network's numbers are in its `__metadata__`, each as decimal text under its field's key, such as
    /// `pixelcnn.kernel_size`; of a conditional network also the names of its classes as a JSON array,
    /// `pixelcnn.label_names`; and `format` is `pt`, as PyTorch's loaders like to see.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - extra: float32 tensors that follow the model's own: a checkpoint's.
    ///   - metadata: further texts for `__metadata__`.
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
            description.parameters + extra.map { TensorSpec(name: $0.name, shape: $0.shape, role: .bias) }
            + description.masks
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
        var metadata = more
        for field in Hyperparameters.Field.allCases where hyperparameters[field] != field.line.optional {
            metadata[field.metadataKey] = "\(hyperparameters[field])"
        }
        metadata["format"] = "pt"
        if hyperparameters.network != .original { metadata[Network.metadataKey] = hyperparameters.network.rawValue }
        if !labelNames.isEmpty {
            metadata[DeclaredHyperparameters.labelNamesKey] = JSONValue.array(labelNames.map { .string($0) }).text
        }
        let texts = metadata.sorted { $0.key < $1.key }.map { JSONValue.Member(name: $0, value: .string($1)) }
        var members = [JSONValue.Member(name: "__metadata__", value: .object(texts))]
        var begin = 0
        for spec in specs {
            let type: ElementType = spec.isMask ? .bool : .f32
            let end = begin + spec.count * type.size
            members.append(
                JSONValue.Member(
                    name: spec.name,
                    value: .object([
                        .init(name: "dtype", value: .string(type.safetensorsName)),
                        .init(name: "shape", value: .array(spec.shape.map { .integer($0) })),
                        .init(name: "data_offsets", value: .array([.integer(begin), .integer(end)])),
                    ])))
            begin = end
        }
        var json = Array(JSONValue.object(members).text.utf8)
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: -json.count & 7))  // align the data to 8 bytes
        return json
    }
}

// MARK: - Errors

/// A safetensors file this reader refuses: one case for each rule of the format.
package enum SafetensorsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file is too short for a header, or for the header it announces.
    case headerOutOfRange(announced: UInt64, fileBytes: Int)
    /// The header is larger than any model needs.
    case headerTooLarge(bytes: Int, limit: Int)
    /// The header is not JSON of the prescribed form.
    case malformedHeader(at: Int, expected: String)
    /// A key appears twice in one object.
    case duplicateKey(String)
    /// A tensor lacks its type, shape or offsets.
    case missingField(tensor: String, field: String)
    /// The product of the shape and the element size is not the number of bytes.
    case sizeMismatch(tensor: String, shape: [Int], type: ElementType, bytes: Int)
    /// The tensor ends before it starts or after the file's end.
    case offsetsOutOfRange(tensor: String, begin: Int, end: Int, dataBytes: Int)
    /// Two tensors share bytes.
    case overlappingTensors(String, String)
    /// Bytes before the tensor belong to none.
    case hole(before: String, bytes: Int)
    /// Bytes after the last tensor belong to none.
    case trailingBytes(Int)
    /// Metadata that should be a number is not.
    case malformedMetadata(key: String, found: String)
    /// Metadata that should be the names of the classes is not.
    case malformedLabelNames(found: String)

    /// What the JSON reader says of the header, at byte `offset` and inside the entry of `tensor`.
    fileprivate init(_ error: JSONError, at offset: Int, tensor: String?) {
        self =
            switch error {
            case .unexpectedEnd: .malformedHeader(at: offset, expected: "more text")
            case .unexpectedByte(let offset, let expected): .malformedHeader(at: offset, expected: expected)
            case .trailingBytes(let offset): .malformedHeader(at: offset, expected: "nothing more")
            case .duplicateName(let name): .duplicateKey(tensor.map { "\($0): \(name)" } ?? name)
            case .tooDeep(let limit): .malformedHeader(at: offset, expected: "at most \(limit) levels")
            case .tooManyValues(let limit): .malformedHeader(at: offset, expected: "at most \(limit) values")
            case .invalidString(let offset): .malformedHeader(at: offset, expected: "Unicode text")
            }
    }

    /// One line: tensor or place, what was found, what is expected.
    package var description: String {
        switch self {
        case .headerOutOfRange(let announced, let fileBytes):
            "the safetensors header should take \(announced) bytes, but the file has only \(fileBytes); "
                + "copy or download it again"
        case .headerTooLarge(let bytes, let limit):
            "the safetensors header takes \(bytes) bytes, more than the \(limit) a model needs"
        case .malformedHeader(let position, let expected):
            "the safetensors header is damaged at byte \(position): expected \(expected)"
        case .duplicateKey(let key):
            "the safetensors header has \(quoted(key)) twice"
        case .missingField(let tensor, let field):
            "tensor \(quoted(tensor)) has no \(field) in the safetensors header"
        case .sizeMismatch(let tensor, let shape, let type, let bytes):
            "tensor \(quoted(tensor)) of shape \(Shape.text(shape)) and type \(type.rawValue) has \(bytes) bytes, "
                + "which do not fit"
        case .offsetsOutOfRange(let tensor, let begin, let end, let dataBytes):
            "tensor \(quoted(tensor)) has bytes \(begin) to \(end) of the file's \(dataBytes) data bytes; "
                + "the file is cut short or damaged"
        case .overlappingTensors(let first, let second):
            "tensors \(quoted(first)) and \(quoted(second)) overlap"
        case .hole(let tensor, let bytes):
            "\(bytes) bytes before tensor \(quoted(tensor)) belong to no tensor"
        case .trailingBytes(let count):
            "\(count) bytes at the file's end belong to no tensor"
        case .malformedMetadata(let key, let found):
            "metadata \(quoted(key)) is \(quoted(found)); a decimal number is expected"
        case .malformedLabelNames(let found):
            "metadata “\(DeclaredHyperparameters.labelNamesKey)” is \(quoted(found)); a JSON array of texts is expected"
        }
    }
}
