// Names and bytes out of files that others wrote, in the words of our own messages.

/// A name from a file as one short printable word.
package func quoted(_ name: String) -> String {
    let limit = 100
    var text = ""
    for scalar in name.unicodeScalars.prefix(limit) {
        if scalar.isPrintable {
            text.unicodeScalars.append(scalar)
        } else {
            text += "\\u{\(String(scalar.value, radix: 16))}"
        }
    }
    if name.unicodeScalars.dropFirst(limit).first != nil { text += "…" }
    return "“\(text)”"
}

extension Unicode.Scalar {
    /// Whether it shows as what it is, and does nothing else to a terminal or a log.
    package var isPrintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
