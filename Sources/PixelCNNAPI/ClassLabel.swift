// The class of an image, as a request names it. Only the served model knows which classes there are.

import StrictJSON

/// A class of a conditional model: by number, or by the name that the model's file has for it.
package enum ClassLabel: Sendable, Equatable, CustomStringConvertible {
    /// 0 … classes − 1.
    case number(Int)
    /// A name, whatever its letter case.
    case name(String)

    /// A text that is an integer is a number: a class whose name is one has that very number.
    package init(_ text: String) {
        self = Int(text).map(ClassLabel.number) ?? .name(text)
    }

    /// For messages.
    package var description: String {
        switch self {
        case .number(let number): "\(number)"
        case .name(let name): "\"\(JSONValue.shortened(name))\""
        }
    }
}

extension ModelDescription {
    /// The number of a request's class; nil where the model has no classes and the request names none. Of one class,
    /// which every image then has, nothing need be said.
    ///
    /// - Throws: ``RequestError/outOfRange(field:found:allowed:)`` for `label`.
    package func number(ofAny label: ClassLabel?) throws(RequestError) -> Int? {
        if let label { return try number(of: label) }
        guard labels > 1 else { return labels == 1 ? 0 : nil }
        throw .outOfRange(field: "label", found: "missing", allowed: allowedLabels)
    }

    /// The number of a class.
    ///
    /// - Parameter acceptsBeginnings: whether the beginning of one name alone is enough: for people, not for programs.
    /// - Throws: ``RequestError/outOfRange(field:found:allowed:)`` for `label`.
    package func number(of label: ClassLabel, acceptsBeginnings: Bool = false) throws(RequestError) -> Int {
        switch label {
        case .number(let number) where (0..<labels).contains(number): return number
        case .number: break
        case .name(let name):
            let name = name.lowercased()
            let names = labelNames.map { $0.lowercased() }
            if let number = names.firstIndex(of: name) { return number }
            let matches = names.indices.filter { acceptsBeginnings && !name.isEmpty && names[$0].hasPrefix(name) }
            if matches.count == 1 { return matches[0] }
            if matches.count > 1 {
                throw .outOfRange(
                    field: "label", found: "\(label), with which several names begin", allowed: allowedLabels)
            }
        }
        throw .outOfRange(field: "label", found: "\(label)", allowed: allowedLabels)
    }

    private var allowedLabels: String {
        guard labels > 0 else { return "none: the model is unconditional" }
        let numbers = "0…\(labels - 1)"
        guard !labelNames.isEmpty else { return numbers }
        let most = 32
        let names = labelNames.prefix(most).map { "\"\($0)\"" }.joined(separator: ", ")
        return "\(numbers), or \(names)\(labelNames.count > most ? "…" : "")"
    }
}
