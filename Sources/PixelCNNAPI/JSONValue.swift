// The JSON values of requests. Numbers keep their literal text, because a seed is any integer below 2⁶⁴ and a detour
// through Double would change it; objects keep their members in order, because an error names the first bad one.

/// One JSON value, as read by ``JSONValue/init(parsing:)``.
package enum JSONValue: Sendable, Equatable {
    /// A member of an object.
    package struct Member: Sendable, Equatable {
        /// The member's name, unescaped.
        package let name: String
        /// The member's value.
        package let value: JSONValue
    }

    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number, as the text that stood in the document.
    case number(String)
    /// A string, unescaped.
    case string(String)
    /// An array.
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

    /// A text as JSON.
    static func quoted(_ text: String) -> String {
        var json = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": json += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                json += "\\u00\(scalar.value < 16 ? "0" : "")\(String(scalar.value, radix: 16))"
            default: json.unicodeScalars.append(scalar)
            }
        }
        return json + "\""
    }

    /// The first forty scalars of `text`, which may be very long: a message is one line, whatever the request holds.
    static func shortened(_ text: String) -> String {
        let most = 40
        let start = text.unicodeScalars.prefix(most + 1).map { $0.value < 0x20 ? "?" : $0 }
        let printable = String(String.UnicodeScalarView(start.prefix(most)))
        return start.count > most ? printable + "…" : printable
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
