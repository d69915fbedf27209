// A strict JSON reader (RFC 8259) for small request bodies: no trailing bytes, no duplicate names, bounded depth.
// One pass, O(bytes). It exists because Foundation's decoder takes the last of two equal names, and may pass integers
// through Double; a request that is ambiguous must be an error, not a guess.

extension JSONValue {
    /// Reads one JSON value that fills `bytes`, white space aside.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
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
        let value = try self.parseValue(depth: 0)
        self.skipWhiteSpace()
        guard self.offset == self.bytes.count else { throw .trailingBytes(offset: self.offset) }
        return value
    }

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < Self.maximumDepth else { throw .tooDeep(limit: Self.maximumDepth) }
        self.values += 1
        guard self.values <= Self.maximumValues else { throw .tooManyValues(limit: Self.maximumValues) }
        self.skipWhiteSpace()
        guard let first = self.peek else { throw .unexpectedEnd }
        switch first {
        case UInt8(ascii: "{"): return .object(try self.parseMembers(depth: depth))
        case UInt8(ascii: "["): return .array(try self.parseElements(depth: depth))
        case UInt8(ascii: "\""): return .string(try self.parseString())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try self.parseNumber())
        case UInt8(ascii: "t"): return try self.parseLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try self.parseLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try self.parseLiteral("null", .null)
        default: throw .unexpectedByte(offset: self.offset, expected: "a value")
        }
    }

    // MARK: Containers

    private mutating func parseMembers(depth: Int) throws(JSONError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        self.offset += 1
        self.skipWhiteSpace()
        if self.consume(UInt8(ascii: "}")) { return members }
        repeat {
            self.skipWhiteSpace()
            try self.require(UInt8(ascii: "\""), "a field name in quotes", advance: false)
            let name = try self.parseString()
            guard names.insert(name).inserted else { throw .duplicateName(name) }
            self.skipWhiteSpace()
            try self.require(UInt8(ascii: ":"), "':'")
            members.append(.init(name: name, value: try self.parseValue(depth: depth + 1)))
            self.skipWhiteSpace()
        } while self.consume(UInt8(ascii: ","))
        try self.require(UInt8(ascii: "}"), "',' or '}'")
        return members
    }

    private mutating func parseElements(depth: Int) throws(JSONError) -> [JSONValue] {
        var elements: [JSONValue] = []
        self.offset += 1
        self.skipWhiteSpace()
        if self.consume(UInt8(ascii: "]")) { return elements }
        repeat {
            elements.append(try self.parseValue(depth: depth + 1))
            self.skipWhiteSpace()
        } while self.consume(UInt8(ascii: ","))
        try self.require(UInt8(ascii: "]"), "',' or ']'")
        return elements
    }

    // MARK: Scalars

    private mutating func parseLiteral(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in text.withUTF8Buffer({ Array($0) }) {
            try self.require(byte, "\(text)")
        }
        return value
    }

    private mutating func parseNumber() throws(JSONError) -> String {
        let start = self.offset
        _ = self.consume(UInt8(ascii: "-"))
        if !self.consume(UInt8(ascii: "0")) { try self.requireDigits() }
        if self.consume(UInt8(ascii: ".")) { try self.requireDigits() }
        if self.consume(UInt8(ascii: "e")) || self.consume(UInt8(ascii: "E")) {
            if !self.consume(UInt8(ascii: "+")) { _ = self.consume(UInt8(ascii: "-")) }
            try self.requireDigits()
        }
        return String(decoding: self.bytes[start..<self.offset], as: UTF8.self)
    }

    private mutating func parseString() throws(JSONError) -> String {
        let start = self.offset
        self.offset += 1
        var utf8: [UInt8] = []
        while true {
            let plain = self.bytes[self.offset...].prefix {
                $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            utf8.append(contentsOf: plain)
            self.offset = plain.endIndex
            guard let byte = self.peek else { throw .unexpectedEnd }
            self.offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: utf8, as: UTF8.self) else { throw .invalidString(offset: start) }
                return text
            case UInt8(ascii: "\\"):
                utf8.append(contentsOf: try self.parseEscape(stringStart: start))
            default:
                throw .unexpectedByte(offset: self.offset - 1, expected: "no control character in a string")
            }
        }
    }

    /// The UTF-8 of one escape sequence, after its backslash.
    private mutating func parseEscape(stringStart: Int) throws(JSONError) -> [UInt8] {
        guard let byte = self.peek else { throw .unexpectedEnd }
        self.offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var units = [try self.parseHexUnit()]
            if 0xD800..<0xDC00 ~= units[0] {
                guard self.consume(UInt8(ascii: "\\")), self.consume(UInt8(ascii: "u")) else {
                    throw .invalidString(offset: stringStart)
                }
                units.append(try self.parseHexUnit())
            }
            guard let text = String(validating: units, as: UTF16.self) else {
                throw .invalidString(offset: stringStart)
            }
            return Array(text.utf8)
        default:
            throw .unexpectedByte(offset: self.offset - 1, expected: "an escape sequence")
        }
    }

    private mutating func parseHexUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = self.peek else { throw .unexpectedEnd }
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw .unexpectedByte(offset: self.offset, expected: "a hexadecimal digit")
            }
            unit = unit << 4 | UInt16(digit)
            self.offset += 1
        }
        return unit
    }

    // MARK: Bytes

    private var peek: UInt8? { self.offset < self.bytes.count ? self.bytes[self.offset] : nil }

    private mutating func skipWhiteSpace() {
        while let byte = self.peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { self.offset += 1 }
    }

    private mutating func consume(_ byte: UInt8) -> Bool {
        guard self.peek == byte else { return false }
        self.offset += 1
        return true
    }

    private mutating func require(_ byte: UInt8, _ expected: String, advance: Bool = true) throws(JSONError) {
        guard let found = self.peek else { throw .unexpectedEnd }
        guard found == byte else { throw .unexpectedByte(offset: self.offset, expected: expected) }
        if advance { self.offset += 1 }
    }

    private mutating func requireDigits() throws(JSONError) {
        let start = self.offset
        while let byte = self.peek, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { self.offset += 1 }
        guard self.offset > start else {
            throw self.peek == nil ? .unexpectedEnd : .unexpectedByte(offset: self.offset, expected: "a digit")
        }
    }
}
