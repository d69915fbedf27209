// Text from outside (a daemon, a file, a name of a file) as it goes to a terminal: what could move the cursor, change
// colours, ring, or turn the direction of what follows is shown as \u{…}. Everything that the programs print passes
// through here.

extension StringProtocol {
    /// The text without control characters, line and paragraph separators, and format characters. Joiners stay:
    /// emoji and several scripts need them.
    package var printable: String {
        guard unicodeScalars.contains(where: \.isUnprintable) else { return String(self) }
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isUnprintable {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The same of a JSON text, as JSON: such characters are escaped in its strings, so that it has the same value.
    /// White space between values stays, apart from carriage returns.
    package var printableJSON: String {
        guard unicodeScalars.contains(where: { $0.isUnprintable && $0 != "\n" }) else { return String(self) }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\n"
            case "\t", "\r": text += " "  // in JSON only between values
            case _ where scalar.isUnprintable:
                for unit in UTF16.encode(scalar)! {
                    let digits = String(unit, radix: 16)
                    text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The first `count` characters, and … where there are more.
    package func shortened(to count: Int) -> String {
        let start = self.prefix(count)
        return start.endIndex == endIndex ? String(start) : start + "…"
    }
}

extension Unicode.Scalar {
    fileprivate var isUnprintable: Bool {
        if value < 0x7F { return value < 0x20 }
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: return true
        case .format: return value != 0x200C && value != 0x200D
        default: return false
        }
    }
}

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
