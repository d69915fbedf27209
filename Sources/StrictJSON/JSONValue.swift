// A JSON text as a tree, for texts whose form is not known before they are read: a request. Numbers keep their literal
// text, because a seed is any integer below 2⁶⁴ and a detour through Double would change it; objects keep their members
// in order, because an error names the first bad one.

/// One JSON value.
package enum JSONValue: Sendable, Equatable {
    /// A member of an object.
    package struct Member: Sendable, Equatable {
        /// The member's name, unescaped.
        package let name: String
        package let value: JSONValue

        /// A member of that name.
        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number, as the text that stands in the document.
    case number(String)
    /// A string, unescaped.
    case string(String)
    case array([JSONValue])
    /// An object; its names are unique.
    case object([Member])

    /// The value's kind, and for short scalars the value too, for error messages: `the string "x"`, `true`, `an array`.
    package var summary: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let text): Self.shortened(text)
        case .string(let text): "the string \"\(Self.shortened(text))\""
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The first forty scalars of `text`, which may be very long: a message is one line, whatever the text holds.
    package static func shortened(_ text: String) -> String {
        let most = 40
        let start = text.unicodeScalars.prefix(most + 1).map { $0.value < 0x20 ? "?" : $0 }
        let printable = String(String.UnicodeScalarView(start.prefix(most)))
        return start.count > most ? printable + "…" : printable
    }
}

// MARK: - Reading

extension JSONValue {
    /// Reads one JSON value that fills `bytes`, white space aside.
    package init(parsing bytes: [UInt8], limits: JSONReader.Limits) throws(JSONError) {
        self = try bytes.withUnsafeBufferPointer { bytes throws(JSONError) in
            var reader = JSONReader(UnsafeRawBufferPointer(bytes), limits: limits)
            let value = try JSONValue(&reader)
            try reader.finish()
            return value
        }
    }

    /// Takes the next value; descends as deep as the reader's limit.
    private init(_ reader: inout JSONReader) throws(JSONError) {
        switch try reader.kind() {
        case .null:
            try reader.null()
            self = .null
        case .bool: self = .bool(try reader.bool())
        case .number: self = .number(try reader.number())
        case .string: self = .string(try reader.string())
        case .array:
            var elements: [JSONValue] = []
            try reader.beginArray()
            while try reader.nextElement() { elements.append(try JSONValue(&reader)) }
            self = .array(elements)
        case .object:
            var members: [Member] = []
            try reader.beginObject()
            while let name = try reader.nextName() { members.append(Member(name: name, value: try JSONValue(&reader))) }
            self = .object(members)
        }
    }
}
