// A client that says something and then reads nothing, as no HTTP client would.

import Foundation
import Testing

final class SilentClient {
    private let descriptor: CInt

    /// Connects and sends `text`.
    init(_ path: String, sending text: String) throws {
        self.descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
        try #require(write(self.descriptor, text, text.utf8.count) == text.utf8.count)
    }

    /// Whether the other side has closed and nothing is left to read.
    var isHungUpOn: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, CInt(MSG_DONTWAIT)) == 0
    }

    deinit {
        close(descriptor)
    }
}
