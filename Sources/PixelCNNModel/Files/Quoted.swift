// Names from files go into messages, and messages into logs and terminals: control characters are escaped, long names
// cut, so that no file can write a log line of its own.

/// A name from a file as one short printable word.
func quoted(_ name: String) -> String {
    let limit = 100
    var text = ""
    for scalar in name.unicodeScalars.prefix(limit) {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            text += "\\u{\(String(scalar.value, radix: 16))}"
        default:
            text.unicodeScalars.append(scalar)
        }
    }
    if name.unicodeScalars.dropFirst(limit).first != nil { text += "…" }
    return "“\(text)”"
}
