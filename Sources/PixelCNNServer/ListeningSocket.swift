// The daemon's Unix socket, bound here or inherited. Whether a path is served, the kernel knows: it takes connections
// for as long as the process that listens lives, so a stale socket is replaced at once and a live one never. Only the
// few steps of binding and removing need a lock, of the socket's folder, against a daemon that starts or ends at the
// same moment. There is no lock file: none can be left over, squatted, or taken for somebody else's file. An inherited
// socket is the service manager's: its path is neither locked nor removed.

import Foundation
import PixelCNNAPI
import Support
import Synchronization

/// A bound, listening Unix socket that nobody else serves.
package final class ListeningSocket: Sendable {
    /// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    static let backlog: CInt = 4096
    private static let mode: mode_t = 0o660

    /// O_PATH, which the C library hides behind _GNU_SOURCE.
    private static let openPath: CInt = 0o10_000_000

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
        /// Ours, and removed at the end where it is still this file. The descriptor (O_PATH) keeps the file's inode, so
        /// that no other file gets its number.
        case path(SocketPath, file: CInt)
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
    /// - Throws: ``ListeningSocketError``; ``ListeningSocketError/alreadyServed(path:by:)`` where a daemon lives
    ///   there.
    package static func bind(_ path: SocketPath) throws(ListeningSocketError) -> ListeningSocket {
        let lock = Self.lock(path)
        defer { withExtendedLifetime(lock) {} }
        // A folder that only cannot be read may still take a socket.
        guard [0, EACCES].contains(lock.openError) else {
            throw .system("bind", path: path.path, code: lock.openError)
        }
        try Self.removeStaleSocket(at: path, mayBeStarting: !lock.isHeld)
        let descriptor = try Self.listen(at: path)
        let file = open(path.path, Self.openPath | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else {
            let code = errno
            close(descriptor)
            throw ListeningSocketError.system("open", path: path.path, code: code)
        }
        return ListeningSocket(source: .path(path, file: file), address: path.path, descriptor: descriptor)
    }

    /// Refuses a path that will not be bound, as far as that is known before: its folder is not there or takes no file,
    /// or something other than a socket is in its place. Whether somebody serves it, ``bind(_:)`` finds out.
    ///
    /// - Throws: ``ListeningSocketError``.
    package static func check(_ path: SocketPath) throws(ListeningSocketError) {
        let folder = Self.folder(of: path)
        var status = stat()
        guard stat(folder, &status) == 0 else { throw .system("bind", path: path.path, code: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .system("bind", path: path.path, code: ENOTDIR) }
        guard access(folder, W_OK | X_OK) == 0 else { throw .system("bind", path: path.path, code: errno) }
        if let found = FileIdentity(path: path.path), !found.isSocket {
            throw .notASocket(path: path.path, owner: found.owner)
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
        guard case .path(let path, let file) = source else { return }
        let lock = Self.lock(path)
        defer { withExtendedLifetime(lock) {} }
        if let ours = FileIdentity(descriptor: file), FileIdentity(path: path.path) == ours { unlink(path.path) }
    }

    /// Gives up the path. Further calls do nothing.
    package func release() {
        let previous = self.state.withLock { state in
            defer { state = .released }
            return state
        }
        if case .released = previous { return }
        removePath()
        if case .bound(let descriptor) = previous { close(descriptor) }
        if case .path(_, let file) = source { close(file) }
    }

    deinit {
        release()
    }

    // MARK: - Binding

    /// Binding and removing take a fraction of a millisecond.
    private static func lock(_ path: SocketPath) -> FolderLock {
        FolderLock(folder(of: path), timeout: .seconds(2))
    }

    /// With its slash.
    private static func folder(of path: SocketPath) -> String {
        path.path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path.path[...$0]) } ?? "./"
    }

    /// Removes a socket that nobody listens on.
    ///
    /// - Parameter mayBeStarting: whether another daemon may be between its bind and its listen, and needs a moment.
    private static func removeStaleSocket(
        at path: SocketPath, mayBeStarting: Bool
    ) throws(ListeningSocketError) {
        guard let found = FileIdentity(path: path.path) else { return }
        guard found.isSocket else { throw .notASocket(path: path.path, owner: found.owner) }
        var code = try probe(path)
        if code == ECONNREFUSED, mayBeStarting {
            usleep(100_000)
            code = try probe(path)
        }
        switch code {
        case ECONNREFUSED: break
        case ENOENT: return
        default: throw .otherSocket("connect to", path: path.path, owner: found.owner, code: code)
        }
        guard unlink(path.path) == 0 || errno == ENOENT else {
            throw .otherSocket("remove", path: path.path, owner: found.owner, code: errno)
        }
    }

    /// Why a socket takes no connection. Whoever serves it shows by taking one, or by having too many that wait.
    private static func probe(_ path: SocketPath) throws(ListeningSocketError) -> CInt {
        let probe = try Self.makeSocket(for: path)
        defer { close(probe) }
        let code = path.withAddress { connect(probe, $0, $1) == 0 ? 0 : errno }
        guard code != 0, code != EAGAIN else { throw .alreadyServed(path: path.path, by: peer(of: probe)) }
        return code
    }

    /// Binds with mode 0660, and listens. The file never has a wider mode, whatever the umask is, which belongs to all
    /// threads and is left alone.
    static func listen(at path: SocketPath) throws(ListeningSocketError) -> CInt {
        let descriptor = try Self.makeSocket(for: path)
        // The file gets the descriptor's mode, less what the umask takes of the group's; that comes back before anybody
        // can connect.
        guard fchmod(descriptor, Self.mode) == 0, path.withAddress({ Foundation.bind(descriptor, $0, $1) }) == 0 else {
            let code = errno
            close(descriptor)
            throw .system("bind", path: path.path, code: code)
        }
        guard chmod(path.path, Self.mode) == 0, Foundation.listen(descriptor, Self.backlog) == 0 else {
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

    /// Who listens at the other end, by the kernel's word.
    private static func peer(of descriptor: CInt) -> PeerCredentials? {
        var peer = PeerCredentials.Kernel(pid: 0, uid: 0, gid: 0)
        var length = socklen_t(MemoryLayout.size(ofValue: peer))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0, peer.pid > 0 else { return nil }
        return PeerCredentials(processIdentifier: peer.pid, user: peer.uid)
    }
}

/// Why a socket path cannot be served.
package enum ListeningSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another process serves the path; which, where it is known.
    case alreadyServed(path: String, by: PeerCredentials?)
    /// Something other than a socket is there; it is left alone.
    case notASocket(path: String, owner: uid_t)
    /// A socket is there that can be neither used nor replaced.
    case otherSocket(String, path: String, owner: uid_t, code: CInt)
    /// A system call failed.
    case system(String, path: String, code: CInt)

    /// One line for a person.
    package var description: String {
        switch self {
        case .alreadyServed(let path, let peer?) where peer.user != geteuid():
            "a process of user \(peer.user) (pid \(peer.processIdentifier)) serves \(path); "
                + "stop it, or choose another --socket"
        case .alreadyServed(let path, let peer):
            "another pixelcnnd\(peer.map { " (pid \($0.processIdentifier))" } ?? "") serves \(path); "
                + "stop it, or choose another --socket"
        case .notASocket(let path, let owner):
            "\(path) exists, of user \(owner), and is not a socket; remove it, or choose another --socket"
        case .otherSocket(let operation, let path, let owner, let code):
            "cannot \(operation) \(path), a socket of user \(owner): \(String(cString: strerror(code))); "
                + "remove it as that user or as root, or choose another --socket"
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
    let owner: uid_t

    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    init?(descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        device = status.st_dev
        inode = status.st_ino
        isSocket = status.st_mode & S_IFMT == S_IFSOCK
        owner = status.st_uid
    }

    /// The owner may change; the file stays the same.
    static func == (one: FileIdentity, other: FileIdentity) -> Bool {
        (one.device, one.inode) == (other.device, other.inode)
    }
}
