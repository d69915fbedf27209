// A GET without a program for it: for what is requested every few milliseconds until it comes true.

import Foundation

/// Sends a request on a Unix socket.
package enum PlainRequest {
    /// The body of the response, nil where nobody responds. Blocks for the moment that it takes.
    package static func get(_ path: String, socket socketPath: String) -> [UInt8]? {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let request = "GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        guard result == 0, send(descriptor, request, request.utf8.count, CInt(MSG_NOSIGNAL)) > 0 else {
            return nil
        }
        var response: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(descriptor, &buffer, buffer.count, 0), count > 0 { response += buffer[..<count] }
        guard response.starts(with: "HTTP/1.1 200".utf8), let end = response.firstRange(of: "\r\n\r\n".utf8) else {
            return nil
        }
        return Array(response[end.upperBound...])
    }
}
