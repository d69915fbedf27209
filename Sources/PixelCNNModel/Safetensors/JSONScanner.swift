// The JSON a safetensors header is made of: objects, arrays, strings and unsigned integers, read one by one as the
// caller expects them. There is no tree and no recursion, so nesting costs nothing, and anything unexpected is an error
// on the spot.

/// Reads JSON tokens from bytes; positions in errors count from the first byte.
struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Skips white space, then takes the character if it is next.
    mutating func accept(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// Takes the character, which must be next.
    mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsError) {
        guard accept(character) else { throw malformed("“\(character)”") }
    }

    /// Whether an object or array goes on with another element: a comma says yes, `close` no.
    mutating func hasNext(before close: Unicode.Scalar) throws(SafetensorsError) -> Bool {
        if accept(",") { return true }
        if accept(close) { return false }
        throw malformed("“,” or “\(close)”")
    }

    /// Nothing but white space may follow.
    mutating func expectEnd() throws(SafetensorsError) {
        skipSpace()
        guard position == bytes.count else { throw malformed("nothing more") }
    }

    /// An integer from 0 to Int.max, without sign, fraction, exponent or leading zeros.
    mutating func unsignedInteger() throws(SafetensorsError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < bytes.count, case let digit = bytes[position],
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit)
        {
            let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = product.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
            guard !productOverflow, !sumOverflow else { throw malformed("an integer below 2^63") }
            value = sum
            position += 1
        }
        let length = position - start
        guard length == 1 || (length > 1 && bytes[start] != UInt8(ascii: "0")) else {
            throw malformed("an unsigned integer")
        }
        return value
    }

    /// An array of strings.
    mutating func strings() throws(SafetensorsError) -> [String] {
        try expect("[")
        var strings: [String] = []
        if accept("]") { return strings }
        repeat { strings.append(try string()) } while try hasNext(before: "]")
        return strings
    }

    /// A string, its escapes resolved.
    mutating func string() throws(SafetensorsError) -> String {
        try expect("\"")
        var text: [UInt8] = []
        while true {
            let byte = try next()
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw malformed("UTF-8 text") }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw malformed("no control characters in text")
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(SafetensorsError) {
        switch try next() {
        case UInt8(ascii: "\""): text.append(UInt8(ascii: "\""))
        case UInt8(ascii: "\\"): text.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "/"): text.append(UInt8(ascii: "/"))
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xd800..<0xdc00).contains(code) {  // the first half of a surrogate pair
                guard try next() == UInt8(ascii: "\\"), try next() == UInt8(ascii: "u"),
                    case let low = try hexadecimal(), (0xdc00..<0xe000).contains(low)
                else { throw malformed("the second half of a surrogate pair") }
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed("a Unicode character") }
            text.append(contentsOf: Character(scalar).utf8)
        default: throw malformed("one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
        }
    }

    private mutating func hexadecimal() throws(SafetensorsError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(UnicodeScalar(try next())).hexDigitValue else {
                throw malformed("four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
        }
        return code
    }

    private mutating func next() throws(SafetensorsError) -> UInt8 {
        guard position < bytes.count else { throw malformed("more text") }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
    }

    func malformed(_ expected: String) -> SafetensorsError {
        .malformedHeader(at: position, expected: expected)
    }
}
