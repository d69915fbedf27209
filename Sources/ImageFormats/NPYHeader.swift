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

extension NPYArray {
    /// What an array's elements are, named as NumPy names them.
    package enum ElementType: String, Sendable, CaseIterable {
        /// One byte, 0 for false.
        case bool
        case uint8
        case uint16
        case uint32
        case uint64
        case int8
        case int16
        case int32
        case int64
        case float16
        case float32
        case float64

        /// Bytes of one element.
        package var size: Int {
            switch self {
            case .bool, .uint8, .int8: 1
            case .uint16, .int16, .float16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64: 8
            }
        }

        /// NumPy's `descr` of the type, little-endian: `|u1`, `<u2`.
        package var descr: String { (size == 1 ? "|" : "<") + code }

        /// NumPy's code without the byte order: a letter for the kind, a digit for the size.
        var code: String {
            switch self {
            case .bool: "b1"
            case .uint8, .uint16, .uint32, .uint64: "u\(size)"
            case .int8, .int16, .int32, .int64: "i\(size)"
            case .float16, .float32, .float64: "f\(size)"
            }
        }

        /// The type with this code, nil if there is none.
        init?(code: some StringProtocol) {
            guard let match = Self.allCases.first(where: { $0.code == code }) else { return nil }
            self = match
        }
    }
}

/// A position in the text of an NPY header, and the few Python literals that it may hold: strings without escapes, True
/// and False, and tuples of integers. Every method skips leading white space and moves forward only, so a header costs
/// one pass.
private struct NPYHeaderScanner {
    private let text: [UInt8]
    private var position = 0

    init(_ text: [UInt8]) {
        self.text = text
        skipSpace()
    }

    /// The next character, not consumed; nil at the end.
    var next: Unicode.Scalar? {
        position < text.count ? Unicode.Scalar(text[position]) : nil
    }

    private mutating func skipSpace() {
        while let scalar = next, scalar == " " || scalar == "\n" || scalar == "\t" || scalar == "\r" { position += 1 }
    }

    /// Consumes `scalar` if it is next.
    mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        skipSpace()
        return true
    }

    /// Consumes `scalar`, which must be next.
    mutating func expect(_ scalar: Unicode.Scalar) throws(NPYError) {
        guard skip(scalar) else { throw malformed("'\(scalar)' expected") }
    }

    /// Nothing but white space may be left.
    func expectEnd() throws(NPYError) {
        guard next == nil else { throw malformed("more text after the dictionary") }
    }

    /// A string in single or double quotes, of printable ASCII without escapes.
    mutating func string() throws(NPYError) -> String {
        guard let quote = next, quote == "'" || quote == "\"" else { throw malformed("string expected") }
        var result = ""
        var end = position + 1
        while end < text.count, text[end] != UInt8(ascii: quote) {
            guard (0x20..<0x7F).contains(text[end]), text[end] != UInt8(ascii: "\\") else {
                position = end
                throw malformed("unsupported character in a string")
            }
            result.unicodeScalars.append(Unicode.Scalar(text[end]))
            end += 1
        }
        guard end < text.count else { throw malformed("string without an end") }
        position = end + 1
        skipSpace()
        return result
    }

    /// `True` or `False`.
    mutating func boolean() throws(NPYError) -> Bool {
        for (word, value) in [("True", true), ("False", false)] where text[position...].starts(with: word.utf8) {
            position += word.utf8.count
            skipSpace()
            return value
        }
        throw malformed("True or False expected")
    }

    /// A tuple of at most `limit` integers, none negative. As in Python, `(3)` is not one; `(3,)` is.
    mutating func tuple(limit: Int) throws(NPYError) -> [Int] {
        var values: [Int] = []
        try expect("(")
        while !skip(")") {
            guard values.count < limit else { throw .tooManyDimensions(limit: limit) }
            values.append(try integer())
            if !skip(",") {
                guard values.count > 1 else { throw malformed("',' expected") }
                try expect(")")
                break
            }
        }
        return values
    }

    private mutating func integer() throws(NPYError) -> Int {
        let isNegative = skip("-")
        let start = position
        while let scalar = next, ("0"..."9").contains(scalar) { position += 1 }
        let digits = text[start..<position]
        guard let first = digits.first, first != UInt8(ascii: "0") || digits.count == 1 else {
            position = start
            throw malformed("integer expected")
        }
        let name = String(decoding: digits, as: UTF8.self)
        guard !isNegative else { throw .negativeDimension("-\(name)") }
        guard let value = Int(name) else {
            position = start
            throw malformed("dimension \(name) is too large")
        }
        skipSpace()
        return value
    }

    private func malformed(_ reason: String) -> NPYError {
        .malformedHeader(reason: reason, offset: position)
    }
}
