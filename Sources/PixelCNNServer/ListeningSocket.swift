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

    /// A descriptor that listens already, and that whoever started this process keeps open too. It is closed at the
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
