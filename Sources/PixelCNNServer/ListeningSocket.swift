// The daemon's Unix socket, bound here or inherited. Who owns a path that is bound here is decided by a lock file
// beside it, held for as long as the daemon lives: the kernel drops the lock of a dead process, so a stale socket is
// replaced at once and a live one never. The lock file itself stays: removing it would let two daemons lock two
// different files of that name. An inherited socket is the service manager's: its path is neither locked nor removed.

import Foundation
import PixelCNNAPI
import Synchronization

/// A bound, listening Unix socket that nobody else serves.
package final class ListeningSocket: Sendable {
    /// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    static let backlog: CInt = 4096

    private enum State {
        /// Listening; we own the descriptor.
        case bound(descriptor: CInt)
        /// Somebody else owns the descriptor.
        case handedOver
        /// Closed, and the path given up.
        case released
    }

    /// Whose the path is.
    enum Source: Sendable {
        /// Ours: locked, and removed at the end where it is still this file.
        case path(SocketPath, lock: CInt, identity: FileIdentity)
        /// Whoever started us listens too, and goes on when we stop.
        case inherited
    }

    /// Where the socket is, for the log.
    package let address: String

    let source: Source
    private let state: Mutex<State>

    private init(source: Source, address: String, descriptor: CInt) {
        self.source = source
        self.address = address
        self.state = Mutex(.bound(descriptor: descriptor))
    }

    /// A descriptor that listens already, and that whoever started this process keeps open, too. It is closed at the
    /// end; its path stays.
    package init(inheriting descriptor: CInt) {
        source = .inherited
        address = Self.address(of: descriptor) ?? "an unnamed socket"
        state = Mutex(.bound(descriptor: descriptor))
        // Not for children of ours.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Binds the path with mode 0660 and listens.
    ///
    /// The process's umask changes for the moment of the bind, so call it before other threads make files.
    ///
    /// - Throws: ``ListeningSocketError``; ``ListeningSocketError/alreadyServed(path:pid:)`` where a daemon lives
    ///   there.
    package static func bind(_ path: SocketPath) throws(ListeningSocketError) -> ListeningSocket {
        let lock = try Self.acquireLock(for: path)
        do throws(ListeningSocketError) {
            try Self.removeStaleSocket(at: path)
            let descriptor = try Self.listen(at: path)
            guard let identity = FileIdentity(path: path.path) else {
                close(descriptor)
                throw ListeningSocketError.system("stat", path: path.path, code: errno)
            }
            return ListeningSocket(
                source: .path(path, lock: lock, identity: identity), address: path.path, descriptor: descriptor)
        } catch {
            close(lock)
            throw error
        }
    }

    /// Hands over the listening descriptor, once; the receiver closes it.
    func takeDescriptor() -> CInt {
        self.state.withLock { state in
            guard case .bound(let descriptor) = state else { preconditionFailure("the descriptor is taken once") }
            state = .handedOver
            return descriptor
        }
    }

    /// Makes room for ``backlog`` waiting connections on a descriptor that listens already.
    static func setBacklog(of descriptor: CInt) {
        _ = Foundation.listen(descriptor, Self.backlog)
    }

    /// Removes the socket from the file system if it is still ours. Nobody new can connect then; who has connected is
    /// still accepted. An inherited one stays.
    func removePath() {
        guard case .path(let path, _, let identity) = source else { return }
        if FileIdentity(path: path.path) == identity { unlink(path.path) }
    }

    /// Gives up the path and the lock. Further calls do nothing.
    package func release() {
        let previous = self.state.withLock { state in
            defer { state = .released }
            return state
        }
        if case .released = previous { return }
        removePath()
        if case .bound(let descriptor) = previous { close(descriptor) }
        if case .path(_, let lock, _) = source { close(lock) }
    }

    deinit {
        release()
    }

    // MARK: - Binding

    /// Locks `PATH.lock` and writes our process identifier into it, for the message of whoever comes second.
    private static func acquireLock(for path: SocketPath) throws(ListeningSocketError) -> CInt {
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
    private static func removeStaleSocket(at path: SocketPath) throws(ListeningSocketError) {
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
    private static func address(of descriptor: CInt) -> String? {
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

/// Why a socket path cannot be served.
package enum ListeningSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another daemon serves the path; its process identifier, where it is known.
    case alreadyServed(path: String, pid: pid_t?)
    /// Something other than a socket is there; it is left alone.
    case notASocket(path: String)
    /// A system call failed.
    case system(String, path: String, code: CInt)

    /// One line for a person.
    package var description: String {
        switch self {
        case .alreadyServed(let path, let pid):
            "another pixelcnnd\(pid.map { " (pid \($0))" } ?? "") serves \(path); stop it, or choose another --socket"
        case .notASocket(let path):
            "\(path) exists and is not a socket; remove it, or choose another --socket"
        case .system(let operation, let path, ENOENT):
            "cannot \(operation) \(path): its folder does not exist; make it, or choose another --socket"
        case .system(let operation, let path, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        }
    }
}

/// Which file a path names at a moment.
struct FileIdentity: Equatable {
    let device: dev_t
    let inode: ino_t
    let isSocket: Bool

    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        self.isSocket = status.st_mode & S_IFMT == S_IFSOCK
    }
}
