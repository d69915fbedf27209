// `Accept` as RFC 9110, section 12.5.1, has it: the most specific range decides an offer's quality, quality decides
// between offers, and the server's order decides between equals. `Content-Type` is compared without its parameters.

import HTTPTypes

/// The ranges of an `Accept` header.
struct AcceptHeader {
    struct MediaRange: Equatable {
        let type: Substring
        let subtype: Substring
        let quality: Double
    }

    let ranges: [MediaRange]

    /// Ranges that cannot be read are left out; a header that holds none is as good as no header.
    init(_ text: String) {
        ranges = text.split(separator: ",").compactMap { Self.range(String($0).lowercased()) }
    }

    /// The best of `offers`, first preferred; nil where none is acceptable.
    func choose(from offers: [String]) -> String? {
        guard !ranges.isEmpty else { return offers.first }
        var best: (offer: String, quality: Double)?
        for offer in offers {
            let quality = self.quality(of: offer)
            if quality > best?.quality ?? 0 { best = (offer, quality) }
        }
        return best?.offer
    }

    func quality(of offer: String) -> Double {
        let parts = offer.split(separator: "/")
        guard parts.count == 2 else { return 0 }
        let exact = ranges.first { $0.type == parts[0] && $0.subtype == parts[1] }
        let family = ranges.first { $0.type == parts[0] && $0.subtype == "*" }
        let any = ranges.first { $0.type == "*" && $0.subtype == "*" }
        return (exact ?? family ?? any)?.quality ?? 0
    }

    private static func range(_ text: String) -> MediaRange? {
        let parts = text.split(separator: ";").map { $0.trimmed() }
        guard let names = parts.first?.split(separator: "/"), names.count == 2 else { return nil }
        var quality = 1.0
        for parameter in parts.dropFirst() where parameter.hasPrefix("q=") {
            guard let value = Double(parameter.dropFirst(2)), 0...1 ~= value else { return nil }
            quality = value
        }
        return MediaRange(type: names[0], subtype: names[1], quality: quality)
    }
}

extension HTTPFields {
    /// The best of `offers` for the request.
    ///
    /// - Throws: 406, naming what there is.
    func negotiate(_ offers: [String], else reason: String? = nil) throws -> String {
        let accept = self[values: .accept].joined(separator: ",")
        if let choice = AcceptHeader(accept).choose(from: offers) { return choice }
        let available = offers.joined(separator: ", ") + (reason.map { " (\($0))" } ?? "")
        throw ProblemResponse(
            .notAcceptable, "Accept is \"\(accept.prefix(100))\"; available is \(available)")
    }

    /// The type of the body, lower-case and without parameters.
    var bodyType: String? {
        guard let value = self[.contentType] else { return nil }
        return value.split(separator: ";", omittingEmptySubsequences: false).first.map { $0.trimmed().lowercased() }
    }
}

extension StringProtocol {
    fileprivate func trimmed() -> SubSequence {
        guard let first = firstIndex(where: { !$0.isWhitespace }),
            let last = lastIndex(where: { !$0.isWhitespace })
        else { return self[self.endIndex...] }
        return self[first...last]
    }
}
