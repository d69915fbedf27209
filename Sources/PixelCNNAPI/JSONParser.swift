// A strict JSON reader (RFC 8259) for small request bodies: no trailing bytes, no duplicate names, bounded depth.
// One pass, O(bytes). It exists because Foundation's decoder takes the last of two equal names, and may pass integers
// through Double; a request that is ambiguous must be an error, not a guess.

extension JSONValue {
    /// Reads one JSON value that fills `bytes`, white space aside.
    package init(parsing bytes: [UInt8]) throws(JSONError) {
        var parser = JSONParser(bytes: bytes)
        self = try parser.parseDocument()
    }
}

struct JSONParser {
    static let maximumDepth = 16
    /// Far more than any request has. Each takes many times the memory of the two bytes that it may be in the text.
    static let maximumValues = 1000

    private let bytes: [UInt8]
    private var offset = 0
    private var values = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func parseDocument() throws(JSONError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipWhiteSpace()
        guard offset == bytes.count else { throw .trailingBytes(offset: offset) }
        return value
    }

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < Self.maximumDepth else { throw .tooDeep(limit: Self.maximumDepth) }
        values += 1
        guard values <= Self.maximumValues else { throw .tooManyValues(limit: Self.maximumValues) }
        skipWhiteSpace()
        guard let first = peek else { throw .unexpectedEnd }
        switch first {
        case UInt8(ascii: "{"): return .object(try parseMembers(depth: depth))
        case UInt8(ascii: "["): return .array(try parseElements(depth: depth))
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try parseNumber())
        case UInt8(ascii: "t"): return try parseLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try parseLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try parseLiteral("null", .null)
        default: throw .unexpectedByte(offset: offset, expected: "a value")
        }
    }

    // MARK: Containers

    private mutating func parseMembers(depth: Int) throws(JSONError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        offset += 1
        skipWhiteSpace()
        if consume(UInt8(ascii: "}")) { return members }
        repeat {
            skipWhiteSpace()
            try require(UInt8(ascii: "\""), "a field name in quotes", advance: false)
            let name = try parseString()
            guard names.insert(name).inserted else { throw .duplicateName(name) }
            skipWhiteSpace()
            try require(UInt8(ascii: ":"), "':'")
            members.append(.init(name: name, value: try parseValue(depth: depth + 1)))
            skipWhiteSpace()
        } while consume(UInt8(ascii: ","))
        try require(UInt8(ascii: "}"), "',' or '}'")
        return members
    }

    private mutating func parseElements(depth: Int) throws(JSONError) -> [JSONValue] {
        var elements: [JSONValue] = []
        offset += 1
        skipWhiteSpace()
        if consume(UInt8(ascii: "]")) { return elements }
        repeat {
            elements.append(try parseValue(depth: depth + 1))
            skipWhiteSpace()
        } while consume(UInt8(ascii: ","))
        try require(UInt8(ascii: "]"), "',' or ']'")
        return elements
    }

    // MARK: Scalars

    private mutating func parseLiteral(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in text.withUTF8Buffer({ Array($0) }) {
            try require(byte, "\(text)")
        }
        return value
    }

    private mutating func parseNumber() throws(JSONError) -> String {
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

    private mutating func parseString() throws(JSONError) -> String {
        let start = offset
        offset += 1
        var utf8: [UInt8] = []
        while true {
            let plain = bytes[self.offset...].prefix {
                $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            utf8.append(contentsOf: plain)
            offset = plain.endIndex
            guard let byte = peek else { throw .unexpectedEnd }
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: utf8, as: UTF8.self) else { throw .invalidString(offset: start) }
                return text
            case UInt8(ascii: "\\"):
                utf8.append(contentsOf: try parseEscape(stringStart: start))
            default:
                throw .unexpectedByte(offset: offset - 1, expected: "no control character in a string")
            }
        }
    }

    /// The UTF-8 of one escape sequence, after its backslash.
    private mutating func parseEscape(stringStart: Int) throws(JSONError) -> [UInt8] {
        guard let byte = peek else { throw .unexpectedEnd }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var units = [try parseHexUnit()]
            if 0xD800..<0xDC00 ~= units[0] {
                guard consume(UInt8(ascii: "\\")), consume(UInt8(ascii: "u")) else {
                    throw .invalidString(offset: stringStart)
                }
                units.append(try parseHexUnit())
            }
            guard let text = String(validating: units, as: UTF16.self) else {
                throw .invalidString(offset: stringStart)
            }
            return Array(text.utf8)
        default:
            throw .unexpectedByte(offset: offset - 1, expected: "an escape sequence")
        }
    }

    private mutating func parseHexUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek else { throw .unexpectedEnd }
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw .unexpectedByte(offset: offset, expected: "a hexadecimal digit")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }

    // MARK: Bytes

    private var peek: UInt8? { offset < bytes.count ? bytes[self.offset] : nil }

    private mutating func skipWhiteSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { offset += 1 }
    }

    private mutating func consume(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        offset += 1
        return true
    }

    private mutating func require(_ byte: UInt8, _ expected: String, advance: Bool = true) throws(JSONError) {
        guard let found = peek else { throw .unexpectedEnd }
        guard found == byte else { throw .unexpectedByte(offset: offset, expected: expected) }
        if advance { offset += 1 }
    }

    private mutating func requireDigits() throws(JSONError) {
        let start = offset
        while let byte = peek, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { offset += 1 }
        guard offset > start else {
            throw peek == nil ? .unexpectedEnd : .unexpectedByte(offset: offset, expected: "a digit")
        }
    }
}
