// The daemon's page, GET / and the files that it loads, compiled in like the description of the protocol: a daemon has
// its own page wherever it is installed. Addresses in it are relative, so that it works below any path of a proxy.

import HTTPTypes
import HummingbirdCore
import PixelCNNAPI
import Support

/// A file of the page. A browser keeps it, and asks by its digest whether it has changed.
struct PageFile: Sendable {
    let path: String
    private let type: String
    private let bytes: [UInt8]
    private let entityTag: String

    private init(_ path: String, _ type: String, _ bytes: [UInt8]) {
        self.path = path
        self.type = type
        self.bytes = bytes
        entityTag = "\"\(bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }.prefix(32))\""
    }

    static let all = [
        PageFile(Endpoint.page, MediaTypeName.html, PackageResources.page_html),
        PageFile(Endpoint.pageFiles + "page.css", MediaTypeName.css, PackageResources.page_css),
        script("api.js", PackageResources.api_js),
        script("complete.js", PackageResources.complete_js),
        script("dom.js", PackageResources.dom_js),
        script("main.js", PackageResources.main_js),
        script("pictures.js", PackageResources.pictures_js),
        script("pixels.js", PackageResources.pixels_js),
        script("runs.js", PackageResources.runs_js),
        script("score.js", PackageResources.score_js),
        script("settings.js", PackageResources.settings_js),
        script("status.js", PackageResources.status_js),
        script("viewer.js", PackageResources.viewer_js),
    ]

    private static func script(_ name: String, _ bytes: [UInt8]) -> PageFile {
        PageFile(Endpoint.pageFiles + name, MediaTypeName.javaScript, bytes)
    }

    /// Scripts and styles come from here alone, and nothing is sent elsewhere. `blob:` and `data:` are pictures that
    /// the page makes itself.
    private static let policy = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """

    /// The file, or 304 where the browser has it.
    func response(to request: Request) throws -> Response {
        try request.refuseQuery()
        _ = try request.headers.negotiate([type], else: "the protocol is described at \(Endpoint.description)")
        let headers: HTTPFields = [
            .eTag: entityTag, .cacheControl: "no-cache", .contentSecurityPolicy: Self.policy,
            .xContentTypeOptions: "nosniff", HTTPField.Name("Referrer-Policy")!: "no-referrer",
        ]
        if isKept(by: request.headers) { return Response(status: .notModified, headers: headers) }
        return Response(headers: headers, bytes: bytes, type: "\(type); charset=utf-8")
    }

    /// Whether `If-None-Match` has the file's tag: weak tags match, too (RFC 9110, section 13.1.2).
    private func isKept(by headers: HTTPFields) -> Bool {
        headers[values: .ifNoneMatch].joined(separator: ",").split(separator: ",").contains { tag in
            let tag = tag.drop { $0 == " " }.prefix { $0 != " " }
            return tag == "*" || tag == entityTag || tag == "W/\(entityTag)"
        }
    }
}
