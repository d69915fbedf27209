// The header of a safetensors file: a JSON object of tensors by name, each with type, shape and byte range, and free
// text under `__metadata__`. Reading checks the form; SafetensorsFile checks the ranges.

struct SafetensorsHeader {
    /// One tensor as the header describes it; offsets count from the end of the header.
    struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]
        let begin: Int
        let end: Int
    }

    /// Describing the largest network allowed takes about 1 MB.
    static let sizeLimit = 16 << 20

    private(set) var entries: [Entry] = []
    private(set) var metadata: [String: String] = [:]

    init(json: UnsafeRawBufferPointer) throws(SafetensorsError) {
        var scanner = JSONScanner(json)
        var names: Set<String> = []
        try scanner.expect("{")
        if !scanner.accept("}") {
            repeat {
                let name = try scanner.string()
                guard names.insert(name).inserted else { throw .duplicateKey(name) }
                try scanner.expect(":")
                if name == "__metadata__" {
                    metadata = try Self.metadata(&scanner)
                } else {
                    entries.append(try Self.entry(name, &scanner))
                }
            } while try scanner.hasNext(before: "}")
        }
        try scanner.expectEnd()
    }

    private static func metadata(_ scanner: inout JSONScanner) throws(SafetensorsError) -> [String: String] {
        var metadata: [String: String] = [:]
        try scanner.expect("{")
        if scanner.accept("}") { return metadata }
        repeat {
            let key = try scanner.string()
            try scanner.expect(":")
            guard metadata.updateValue(try scanner.string(), forKey: key) == nil else { throw .duplicateKey(key) }
        } while try scanner.hasNext(before: "}")
        return metadata
    }

    private static func entry(_ name: String, _ scanner: inout JSONScanner) throws(SafetensorsError) -> Entry {
        var type: ElementType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.expect("{")
        repeat {
            let key = try scanner.string()
            try scanner.expect(":")
            switch key {
            case "dtype" where type == nil: type = try elementType(of: name, try scanner.string())
            case "shape" where shape == nil: shape = try integers(&scanner)
            case "data_offsets" where offsets == nil: offsets = try integers(&scanner)
            case "dtype", "shape", "data_offsets": throw .duplicateKey("\(name): \(key)")
            default: throw scanner.malformed("dtype, shape or data_offsets")
            }
        } while try scanner.hasNext(before: "}")
        guard let type else { throw .missingField(tensor: name, field: "dtype") }
        guard let shape else { throw .missingField(tensor: name, field: "shape") }
        guard let offsets, offsets.count == 2 else { throw .missingField(tensor: name, field: "data_offsets") }
        return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
    }

    private static func integers(_ scanner: inout JSONScanner) throws(SafetensorsError) -> [Int] {
        var integers: [Int] = []
        try scanner.expect("[")
        if scanner.accept("]") { return integers }
        repeat {
            guard integers.count < Shape.maximumRank else {
                throw scanner.malformed("at most \(Shape.maximumRank) numbers")
            }
            integers.append(try scanner.unsignedInteger())
        } while try scanner.hasNext(before: "]")
        return integers
    }

    private static func elementType(of tensor: String, _ name: String) throws(SafetensorsError) -> ElementType {
        // The format's names are ours in capitals.
        guard let type = ElementType.allCases.first(where: { $0.safetensorsName == name }) else {
            throw .unsupportedElementType(tensor: tensor, found: name)
        }
        return type
    }
}

extension ElementType {
    /// What the safetensors format calls this type.
    var safetensorsName: String { rawValue.uppercased() }
}
