// Errors as the protocol has them. A request is refused either because it cannot be understood (400), or because it
// asks for what the model or the limits do not allow (422); every case names the field, what was found and what is
// allowed. The response is a problem of RFC 9457, whose `type` stays `about:blank`: the HTTP status says the kind,
// `detail` and `field` the rest.

/// The body of every error response, `application/problem+json`.
package struct Problem: Sendable, Equatable, Codable, Error, CustomStringConvertible {
    /// A URI for the kind of problem; `about:blank` where the status says it all.
    package var type: String
    /// The status's own words.
    package var title: String
    /// The HTTP status.
    package var status: Int
    /// What is wrong here: what was found, what is allowed.
    package var detail: String
    /// The field of the request at fault, where it is one.
    package var field: String?

    /// A problem of type `about:blank`.
    package init(status: Int, title: String, detail: String, field: String? = nil) {
        self.type = "about:blank"
        self.title = title
        self.status = status
        self.detail = detail
        self.field = field
    }

    /// The detail, for a person.
    package var description: String { detail }
}

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
