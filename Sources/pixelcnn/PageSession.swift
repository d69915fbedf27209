// Who may pass the page's proxy: whoever knows the session's token. Any process of the machine can connect to its port,
// and any site that the user visits can have the browser send requests there. So each request's head is checked: it
// must be for this very address (else a site whose name leads here by DNS would pass for it), from the page itself, and
// have the token, in the address once and as a cookie from then on. A value without I/O.

import NIOHTTP1

/// One user's session.
struct PageSession: Sendable {
    /// What is done with a request.
    enum Verdict: Equatable {
        case forward
        /// The token goes from the address into a cookie, and the browser to the page.
        case enter(Entrance)
        /// 403, for this reason.
        case refuse(String)
    }

    /// How the browser goes on to the page.
    enum Entrance {
        case redirect
        /// As `redirect`, for a browser that another page has sent: it would send no strict cookie along a redirect
        /// that another site began, but does where this site sends it on.
        case refresh
    }

    /// What precedes the token in the address.
    private static let entry = "/?token="

    private let token: String
    private let port: Int

    init(port: Int, token: String) {
        self.port = port
        self.token = token
    }

    /// 128 bits of the system's generator, in hexadecimal.
    static func makeToken() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// Where the page is, with the token.
    var address: String { "http://\(authority("127.0.0.1"))\(Self.entry)\(token)" }

    /// A cookie is sent to every port of its host, so its name has the port.
    private var cookieName: String { "pixelcnn-\(port)" }

    /// The cookie that has the token, as the browser is told to keep it: until it is closed.
    var cookie: String { "\(cookieName)=\(token); Path=/; HttpOnly; SameSite=Strict" }

    /// As browsers write it.
    private func authority(_ host: String) -> String { port == 80 ? host : "\(host):\(port)" }

    func judge(_ head: HTTPRequestHead) -> Verdict {
        guard head.version == .http1_1, head.uri.utf8.first == UInt8(ascii: "/") else {
            return .refuse("this is no proxy for other addresses, and speaks HTTP/1.1 alone")
        }
        let hosts = head.headers["Host"]
        let authorities = [authority("127.0.0.1"), authority("localhost")]
        guard hosts.count == 1, authorities.contains(hosts[0]) else {
            return .refuse("the request is not for \(authorities[0]); open the address that pixelcnn open has printed")
        }
        guard head.headers["Origin"].allSatisfy({ $0 == "http://\(hosts[0])" }) else {
            return .refuse("the request is from a page of another origin than http://\(hosts[0])")
        }
        let isOwn = head.headers["Sec-Fetch-Site"].allSatisfy { ["same-origin", "none"].contains($0) }
        if head.method == .GET, head.uri.hasPrefix(Self.entry), isToken(head.uri.dropFirst(Self.entry.count)) {
            if isOwn { return .enter(.redirect) }
            if head.headers["Sec-Fetch-Mode"] == ["navigate"] { return .enter(.refresh) }
        }
        guard isOwn else { return .refuse("the request is from a page of another site") }
        guard head.headers["Cookie"].contains(where: hasToken) else {
            return .refuse("the token is missing or another session's; open the address that pixelcnn open has printed")
        }
        return .forward
    }

    private func hasToken(_ cookies: String) -> Bool {
        cookies.split(separator: ";").contains { cookie in
            let cookie = cookie.drop { $0 == " " }
            return cookie.hasPrefix("\(cookieName)=") && isToken(cookie.dropFirst(cookieName.count + 1))
        }
    }

    /// Takes as long for every text of a token's length, so that time says nothing of it.
    private func isToken(_ text: Substring) -> Bool {
        guard text.utf8.count == token.utf8.count else { return false }
        return zip(text.utf8, token.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
