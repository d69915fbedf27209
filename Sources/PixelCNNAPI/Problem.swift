// An error as RFC 9457 has it. `type` stays `about:blank`: the HTTP status says the kind, `detail` and `field` the
// rest.

/// The body of every error answer, `application/problem+json`.
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
