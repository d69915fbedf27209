// The real curl against a Unix socket: an HTTP client that is not ours.

import Foundation

/// What curl got.
package struct CurlResponse: Sendable {
    /// The final HTTP status; 0 where there was no response.
    package let status: Int
    /// The final response's header fields, names in lower case.
    package let headers: [String: String]
    /// The body.
    package let body: [UInt8]

    /// The body as text.
    package var text: String { String(decoding: self.body, as: UTF8.self) }
}

/// Calls curl.
package enum Curl {
    /// Sends one request.
    ///
    /// - Parameter arguments: further arguments of curl.
    package static func send(
        _ path: String, socket: String, _ arguments: [String] = [], json: String? = nil
    ) async throws -> CurlResponse {
        try await send(to: "http://localhost\(path)", ["--unix-socket", socket] + arguments, json: json)
    }

    /// Sends one request to an address.
    ///
    /// - Parameters:
    ///   - arguments: further arguments of curl.
    ///   - wrapper: a program, and its arguments, that runs curl.
    package static func send(
        to address: String, _ arguments: [String] = [], json: String? = nil, by wrapper: [String] = []
    ) async throws -> CurlResponse {
        let directory = try TemporaryDirectory()
        if !wrapper.isEmpty { chmod(directory.path, 0o777) }  // it may run as another user
        var all = [
            "--silent", "--max-time", "\(testTimeout.components.seconds)", "-D", directory.file("head"), "-o",
            directory.file("body"),
        ]
        if let json { all += ["-H", "Content-Type: application/json", "--data-binary", json] }
        let words = wrapper + ["/usr/bin/curl"] + all + arguments + [address]
        _ = try await Command.run(words[0], Array(words.dropFirst()))
        let head = (try? String(contentsOfFile: directory.file("head"), encoding: .utf8)) ?? ""
        let last = head.components(separatedBy: "\r\n\r\n").last { !$0.isEmpty } ?? ""
        let lines = last.components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...]
            headers[line[..<colon].lowercased()] = value.trimmingCharacters(in: .whitespaces)
        }
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return CurlResponse(
            status: status, headers: headers, body: (try? bytes(ofFile: directory.file("body"))) ?? [])
    }
}
