// A connection by hand, for what no HTTP client would send: bytes out, bytes in, each end closed when the test says so.
// Calls block, on threads of their own, so that the concurrency pool stays free.

import Foundation
import ServerTestSupport

/// A connected socket. Used by one task at a time.
final class ByteStream: @unchecked Sendable {
    private let descriptor: CInt
    /// `errno` of the last failure to send.
    private(set) var sendError: CInt = 0

    /// Connects to a Unix socket; reads and writes give up when the time limit is at its end.
    convenience init(_ path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try self.init(AF_UNIX, &address)
    }

    /// Connects to a port of 127.0.0.1.
    convenience init(port: Int) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        try self.init(AF_INET, &address)
    }

    private init<Address>(_ family: CInt, _ address: inout Address) throws {
        self.descriptor = socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: Int(testTimeout.components.seconds), tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(self.descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            Foundation.close(self.descriptor)
            throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
        }
    }

    deinit {
        Foundation.close(descriptor)
    }

    /// Sends bytes; false once the other side has closed.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                sendError = errno
                return false
            }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { self.send(Array(text.utf8)) }

    /// Ends our side only.
    func finishSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// What has come next; nothing once the other side has closed or reset, or where the time limit is at its end.
    func receive() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? Array(buffer[..<count]) : []
    }

    /// Everything until the other side closes.
    func receiveAll() -> String {
        var all: [UInt8] = []
        while case let piece = receive(), !piece.isEmpty { all += piece }
        return String(decoding: all, as: UTF8.self)
    }

    /// Everything until `text` has come `count` times, or the other side closes.
    func receive(until text: String, count: Int = 1) -> String {
        var all: [UInt8] = []
        while String(decoding: all, as: UTF8.self).ranges(of: text).count < count {
            let piece = self.receive()
            if piece.isEmpty { break }
            all += piece
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// Runs blocking calls on a thread of their own.
    static func blocking<T: Sendable>(_ body: @Sendable @escaping () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    /// Sends bytes on a new connection and ends our side; all that comes back.
    static func exchange(_ path: String, _ bytes: [UInt8]) async throws -> String {
        try await blocking {
            let stream = try ByteStream(path)
            stream.send(bytes)
            stream.finishSending()
            return stream.receiveAll()
        }
    }
}
