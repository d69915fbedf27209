// A strict JSON reader (RFC 8259): no trailing bytes, no duplicate names, bounded depth. One pass over the bytes; it
// copies nothing but the texts that it hands out, and keeps the names of the objects which are open.
//
// The caller pulls what it expects, so a form that is known (the header of a safetensors file) needs no tree;
// `JSONValue` makes one where the form is not known. Foundation's decoder takes the last of two equal names, and may
// pass integers through Double; a text which is ambiguous must be an error, not a guess.

/// Reads one JSON text, value by value.
package struct JSONReader {
    /// What a text may ask of its reader.
    package struct Limits: Sendable {
        /// Arrays and objects inside one another.
        let depth: Int
        /// Values of all kinds together, at any depth: each takes many times the memory of the two bytes that it may
        /// be in the text.
        let values: Int

        /// At most so deep, and at most so many values.
        package init(depth: Int, values: Int) {
            self.depth = depth
            self.values = values
        }
    }

    /// What a value is, by its first byte.
    package enum Kind {
        case null, bool, number, string, array, object
    }

    /// An array or object whose end has not been read.
    private struct Container {
        var isEmpty = true
        /// The names that an object has used.
        var names: Set<String> = []
    }

    private let bytes: UnsafeRawBufferPointer
    private let limits: Limits
    /// The next byte to be read, from the start.
    package private(set) var offset = 0
    private var values = 0
    private var containers: [Container] = []

    /// Starts at the first of `bytes`, which must outlive the reader.
    package init(_ bytes: UnsafeRawBufferPointer, limits: Limits) {
        self.bytes = bytes
        self.limits = limits
    }

    /// What the next value is; takes nothing but the white space before it.
    package mutating func kind() throws(JSONError) -> Kind {
        skipWhiteSpace()
        guard let first = peek else { throw .unexpectedEnd }
        switch first {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        default: throw .unexpectedByte(offset: offset, expected: "a value")
        }
    }

    /// Nothing but white space may follow the text's one value.
    package mutating func finish() throws(JSONError) {
        precondition(containers.isEmpty, "an array or object is still open")
        skipWhiteSpace()
        guard offset == bytes.count else { throw .trailingBytes(offset: offset) }
    }

    // MARK: - Containers

    /// Opens an object: ``nextName()`` follows until it returns nil, and after each name its value.
    package mutating func beginObject() throws(JSONError) { try begin(UInt8(ascii: "{"), "“{”") }

    /// Opens an array: ``nextElement()`` follows until it returns false, and after each true a value.
    package mutating func beginArray() throws(JSONError) { try begin(UInt8(ascii: "["), "“[”") }

    /// The name of the open object's next member; nil at its end, which is taken.
    package mutating func nextName() throws(JSONError) -> String? {
        guard try proceeds(until: UInt8(ascii: "}"), "',' or '}'") else { return nil }
        skipWhiteSpace()
        let name = try text(expected: "a field name in quotes")
        guard containers[containers.count - 1].names.insert(name).inserted else { throw .duplicateName(name) }
        skipWhiteSpace()
        try require(UInt8(ascii: ":"), "':'")
        return name
    }

    /// Whether the open array has another element; its end is taken.
    package mutating func nextElement() throws(JSONError) -> Bool {
        try proceeds(until: UInt8(ascii: "]"), "',' or ']'")
    }

    private mutating func begin(_ opening: UInt8, _ expected: String) throws(JSONError) {
        try beginValue()
        guard containers.count < limits.depth else { throw .tooDeep(limit: limits.depth) }
        try require(opening, expected)
        containers.append(Container())
    }

    private mutating func proceeds(until closing: UInt8, _ expected: String) throws(JSONError) -> Bool {
        precondition(!containers.isEmpty, "no array or object is open")
        skipWhiteSpace()
        if consume(closing) {
            containers.removeLast()
            return false
        }
        if containers[containers.count - 1].isEmpty {
            containers[containers.count - 1].isEmpty = false
        } else {
            try require(UInt8(ascii: ","), expected)
        }
        return true
    }

    // MARK: - Scalars

    /// `null`
    package mutating func null() throws(JSONError) {
        try beginValue()
        try literal("null")
    }

    /// `true` or `false`
    package mutating func bool() throws(JSONError) -> Bool {
        try beginValue()
        let value = peek == UInt8(ascii: "t")
        try literal(value ? "true" : "false")
        return value
    }

    /// A number, as the text that stands in the document: no digit of it is lost.
    package mutating func number() throws(JSONError) -> String {
        try beginValue()
        let start = offset
        _ = consume(UInt8(ascii: "-"))
        if !consume(UInt8(ascii: "0")) { try requireDigits() }
        if consume(UInt8(ascii: ".")) { try requireDigits() }
        if consume(UInt8(ascii: "e")) || consume(UInt8(ascii: "E")) {
            if !consume(UInt8(ascii: "+")) { _ = consume(UInt8(ascii: "-")) }
            try requireDigits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    /// A string, its escapes resolved.
    package mutating func string() throws(JSONError) -> String {
        try beginValue()
        return try text(expected: "a string")
    }

    private mutating func beginValue() throws(JSONError) {
        values += 1
        guard values <= limits.values else { throw .tooManyValues(limit: limits.values) }
        skipWhiteSpace()
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            try require(word.utf8Start[index], "\(word)")
        }
    }

    private mutating func text(expected: String) throws(JSONError) -> String {
        let start = offset
        try require(UInt8(ascii: "\""), expected)
        var utf8: [UInt8] = []
        var plainStart = offset
        while true {
            guard let byte = peek else { throw .unexpectedEnd }
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                let plain = bytes[plainStart..<offset - 1]
                // Most texts have no escapes, and are copied once.
                let text =
                    utf8.isEmpty
                    ? String(validating: plain, as: UTF8.self) : String(validating: utf8 + plain, as: UTF8.self)
                guard let text else { throw .invalidString(offset: start) }
                return text
            case UInt8(ascii: "\\"):
                utf8.append(contentsOf: bytes[plainStart..<offset - 1])
                try escape(into: &utf8, stringStart: start)
                plainStart = offset
            case 0..<0x20:
                throw .unexpectedByte(offset: offset - 1, expected: "no control character in a string")
            default: break
            }
        }
    }

    /// Adds the UTF-8 of one escape sequence, after its backslash.
    private mutating func escape(into utf8: inout [UInt8], stringStart: Int) throws(JSONError) {
        guard let byte = peek else { throw .unexpectedEnd }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): utf8.append(byte)
        case UInt8(ascii: "b"): utf8.append(0x08)
        case UInt8(ascii: "f"): utf8.append(0x0C)
        case UInt8(ascii: "n"): utf8.append(0x0A)
        case UInt8(ascii: "r"): utf8.append(0x0D)
        case UInt8(ascii: "t"): utf8.append(0x09)
        case UInt8(ascii: "u"):
            var units = [try hexUnit()]
            if 0xD800..<0xDC00 ~= units[0] {  // the first half of a surrogate pair
                guard consume(UInt8(ascii: "\\")), consume(UInt8(ascii: "u")) else {
                    throw .invalidString(offset: stringStart)
                }
                units.append(try hexUnit())
            }
            guard let text = String(validating: units, as: UTF16.self) else {
                throw .invalidString(offset: stringStart)
            }
            utf8.append(contentsOf: text.utf8)
        default:
            throw .unexpectedByte(offset: offset - 1, expected: "an escape sequence")
        }
    }

    private mutating func hexUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek else { throw .unexpectedEnd }
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw .unexpectedByte(offset: offset, expected: "a hexadecimal digit")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }

    // MARK: - Bytes

    private var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipWhiteSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { offset += 1 }
    }

    private mutating func consume(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        offset += 1
        return true
    }

    private mutating func require(_ byte: UInt8, _ expected: String) throws(JSONError) {
        guard let found = peek else { throw .unexpectedEnd }
        guard found == byte else { throw .unexpectedByte(offset: offset, expected: expected) }
        offset += 1
    }

    private mutating func requireDigits() throws(JSONError) {
        let start = offset
        while let byte = peek, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { offset += 1 }
        guard offset > start else {
            throw peek == nil ? .unexpectedEnd : .unexpectedByte(offset: offset, expected: "a digit")
        }
    }
}

/// Why a text is not a JSON value; `offset` counts bytes from the start.
package enum JSONError: Error, Equatable, CustomStringConvertible {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte that cannot stand there.
    case unexpectedByte(offset: Int, expected: String)
    /// Something other than white space follows the value.
    case trailingBytes(offset: Int)
    /// An object names a member twice.
    case duplicateName(String)
    /// Arrays and objects nest deeper than allowed.
    case tooDeep(limit: Int)
    /// There are more values than allowed.
    case tooManyValues(limit: Int)
    /// A string is not valid UTF-8, or escapes half a surrogate pair.
    case invalidString(offset: Int)

    /// One line for a person.
    package var description: String {
        switch self {
        case .unexpectedEnd: "the JSON text ends too early"
        case .unexpectedByte(let offset, let expected): "at byte \(offset) of the JSON text, expected \(expected)"
        case .trailingBytes(let offset): "something follows the JSON value at byte \(offset)"
        case .duplicateName(let name): "the field \"\(JSONValue.shortened(name))\" is given twice"
        case .tooDeep(let limit): "the JSON text nests deeper than \(limit) levels"
        case .tooManyValues(let limit): "the JSON text has more than \(limit) values"
        case .invalidString(let offset): "the JSON string at byte \(offset) is not valid Unicode"
        }
    }
}
