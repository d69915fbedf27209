// The head of a .npy file: magic, version, length, and a Python dictionary literal with exactly the keys descr,
// fortran_order and shape. It is parsed as text, by a scanner that knows no more than these need; nothing is evaluated.

/// What the header of a `.npy` file says.
struct NPYHeader: Sendable {
    var elementType: NPYArray.ElementType
    var isBigEndian: Bool
    var isFortranOrder: Bool
    var shape: [Int]
    /// Where the data begins, in bytes from the start of the file. At most the file's length.
    var dataOffset: Int

    static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]  // \x93NUMPY
    /// NumPy itself refuses longer headers by default.
    static let lengthLimit = 10_000
    /// As many as NumPy 2 has.
    static let dimensionLimit = 64

    init(parsing file: RawSpan) throws(NPYError) {
        let text = try Self.text(of: file)
        var scanner = NPYHeaderScanner(text.bytes)
        var type: (NPYArray.ElementType, isBigEndian: Bool)?
        var isFortranOrder: Bool?
        var shape: [Int]?

        try scanner.expect("{")
        while !scanner.skip("}") {
            let key = try scanner.string()
            try scanner.expect(":")
            switch key {
            case "descr":
                guard type == nil else { throw .duplicateKey(key) }
                // A list or a tuple describes a structure or a sub-array.
                guard scanner.next != "[", scanner.next != "(" else { throw .structuredType }
                type = try Self.elementType(descr: try scanner.string())
            case "fortran_order":
                guard isFortranOrder == nil else { throw .duplicateKey(key) }
                isFortranOrder = try scanner.boolean()
            case "shape":
                guard shape == nil else { throw .duplicateKey(key) }
                shape = try scanner.tuple(limit: Self.dimensionLimit)
            default:
                throw .unexpectedKey(key)
            }
            if !scanner.skip(",") {
                try scanner.expect("}")
                break
            }
        }
        try scanner.expectEnd()

        guard let type else { throw .missingKey("descr") }
        guard let isFortranOrder else { throw .missingKey("fortran_order") }
        guard let shape else { throw .missingKey("shape") }
        (elementType, isBigEndian) = type
        self.isFortranOrder = isFortranOrder
        self.shape = shape
        dataOffset = text.end
    }

    /// The dictionary's bytes, and where in the file they end.
    private static func text(of file: RawSpan) throws(NPYError) -> (bytes: [UInt8], end: Int) {
        let found = file.byteCount
        // An early end is reported as such only where what is there looks like NPY.
        for offset in 0..<min(found, magic.count) where byte(of: file, at: offset) != magic[offset] { throw .notNPY }
        guard found > 0 else { throw .notNPY }
        guard found >= 8 else { throw .truncatedHeader(expected: 8, found: found) }

        let (major, minor) = (byte(of: file, at: 6), byte(of: file, at: 7))
        guard (1...3).contains(major), minor == 0 else { throw .unsupportedVersion(major: major, minor: minor) }
        // The length has 2 bytes in version 1.0 and 4 since, little-endian.
        let start = major == 1 ? 10 : 12
        guard found >= start else { throw .truncatedHeader(expected: start, found: found) }
        var length = 0
        for offset in (8..<start).reversed() { length = length << 8 | Int(byte(of: file, at: offset)) }
        guard length <= lengthLimit else { throw .headerTooLong(length: length, limit: lengthLimit) }
        guard found >= start + length else { throw .truncatedHeader(expected: start + length, found: found) }
        return (file.extracting(start..<start + length).withUnsafeBytes { Array($0) }, start + length)
    }

    private static func byte(of file: RawSpan, at offset: Int) -> UInt8 {
        file.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// Reads a type such as `<u2`: byte order, kind, size.
    private static func elementType(
        descr: String
    ) throws(NPYError) -> (NPYArray.ElementType, isBigEndian: Bool) {
        guard let order = descr.first else { throw .unsupportedType(descr) }
        let code = descr.dropFirst()
        guard !code.hasPrefix("O") else { throw .objectArray }
        guard let type = NPYArray.ElementType(code: code) else { throw .unsupportedType(descr) }
        switch order {
        case "<": return (type, false)
        case ">": return (type, true)
        case "|" where type.size == 1: return (type, false)
        default: throw .unsupportedType(descr)
        }
    }
}
