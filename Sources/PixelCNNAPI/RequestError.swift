// Why a request is refused: either it cannot be understood (400), or it is understood and asks for what the model or
// the limits do not allow (422). Every case names the field, what was found and what is allowed.

/// A request that is refused for what it says.
package enum RequestError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The body as a whole is not what it must be.
    case malformedBody(String)
    /// A field has the wrong JSON type.
    case wrongType(field: String, expected: String, found: String)
    /// A field that the protocol does not know.
    case unknownField(String, known: [String])
    /// A field's value lies outside what is allowed.
    case outOfRange(field: String, found: String, allowed: String)

    /// 400 where the request cannot be understood, else 422.
    package var status: Int {
        switch self {
        case .malformedBody, .wrongType, .unknownField: 400
        case .outOfRange: 422
        }
    }

    /// The field at fault, where it is one.
    package var field: String? {
        switch self {
        case .malformedBody: nil
        case .wrongType(let field, _, _), .unknownField(let field, _), .outOfRange(let field, _, _): field
        }
    }

    /// One line for a person.
    package var description: String {
        switch self {
        case .malformedBody(let reason): reason
        case .wrongType(let field, let expected, let found): "\(field) must be \(expected); found \(found)"
        case .unknownField(let field, let known):
            "unknown field \"\(field)\"; known are \(known.joined(separator: ", "))"
        case .outOfRange(let field, let found, let allowed): "\(field) is \(found); allowed is \(allowed)"
        }
    }
}
