// The steps of binding: lock, remove what is stale, bind and listen. Each says what it found when it refuses.

import Foundation
import PixelCNNAPI

extension ListeningSocket {
    /// Locks `PATH.lock` and writes our process identifier into it, for the message of whoever comes second.
    static func acquireLock(for path: SocketPath) throws(ListeningSocketError) -> CInt {
        let lockPath = path.path + ".lock"
        let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw .system("open", path: lockPath, code: errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            defer { close(lock) }
            guard code == EWOULDBLOCK else { throw .system("lock", path: lockPath, code: code) }
            throw .alreadyServed(path: path.path, pid: Self.processIdentifier(in: lock))
        }
        // The number only improves a message; failing to write it is no reason not to serve.
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(lock, 0) == 0 { _ = pwrite(lock, text, text.count, 0) }
        return lock
    }

    private static func processIdentifier(in lock: CInt) -> pid_t? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(lock, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return pid_t(String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// Removes a socket that nobody listens on. Whoever serves the path without our lock (an older program, or systemd)
    /// shows by accepting a connection.
    static func removeStaleSocket(at path: SocketPath) throws(ListeningSocketError) {
        guard let found = FileIdentity(path: path.path) else { return }
        guard found.isSocket else { throw .notASocket(path: path.path) }
        let probe = try Self.makeSocket(for: path)
        defer { close(probe) }
        let code = Self.withAddress(of: path) { connect(probe, $0, $1) == 0 ? 0 : errno }
        switch code {
        case 0, EAGAIN: throw .alreadyServed(path: path.path, pid: Self.peer(of: probe))
        case ECONNREFUSED: break
        case ENOENT: return
        default: throw .system("connect", path: path.path, code: code)
        }
        guard unlink(path.path) == 0 || errno == ENOENT else { throw .system("remove", path: path.path, code: errno) }
    }

    /// Binds with mode 0660 from the first instant, and listens.
    static func listen(at path: SocketPath) throws(ListeningSocketError) -> CInt {
        let descriptor = try Self.makeSocket(for: path)
        // A mode set after the bind would leave a moment in which others could connect, or the group could not.
        let previous = umask(0o117)
        let code = Self.withAddress(of: path) { Foundation.bind(descriptor, $0, $1) == 0 ? 0 : errno }
        umask(previous)
        guard code == 0 else {
            close(descriptor)
            throw .system("bind", path: path.path, code: code)
        }
        guard Foundation.listen(descriptor, Self.backlog) == 0 else {
            let code = errno
            close(descriptor)
            unlink(path.path)
            throw .system("listen", path: path.path, code: code)
        }
        return descriptor
    }

    private static func makeSocket(for path: SocketPath) throws(ListeningSocketError) -> CInt {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw .system("make a socket for", path: path.path, code: errno) }
        return descriptor
    }

    /// Calls `body` with the path as a socket address; `SocketPath` has checked that it fits.
    private static func withAddress(
        of path: SocketPath, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// What a descriptor is bound to: a path, or an abstract name, which is shown with an @ as `ss` does.
    static func address(of descriptor: CInt) -> String? {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        guard status == 0, Int(length) > start else { return nil }
        let name = withUnsafeBytes(of: address.sun_path) { Array($0.prefix(Int(length) - start)) }
        if name[0] == 0 { return "@" + String(decoding: name.dropFirst(), as: UTF8.self) }
        return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The process at the other end of a connection.
    private static func peer(of descriptor: CInt) -> pid_t? {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }, which the C library hides behind _GNU_SOURCE.
        var credentials: (pid: pid_t, uid: uid_t, gid: gid_t) = (0, 0, 0)
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else { return nil }
        return credentials.pid > 0 ? credentials.pid : nil
    }
}
