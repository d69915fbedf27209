// Reads the few Python literals that an NPY header may hold: strings without escapes, True and False, and tuples of
// integers. Every method skips leading white space, moves forward only, and so a header costs one pass.

/// A position in the text of an NPY header, and the literals it can read there.
struct NPYHeaderScanner {
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
