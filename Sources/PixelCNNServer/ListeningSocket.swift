// The daemon's Unix socket. Who owns the path is decided by a lock file beside it, held for as long as the daemon lives:
// the kernel drops the lock of a dead process, so a stale socket is replaced at once and a live one never. The lock
// file itself stays: removing it would let two daemons lock two different files of that name.

import Foundation
public import PixelCNNAPI
import Synchronization

/// A bound, listening Unix socket that nobody else serves.
public final class ListeningSocket: Sendable {
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

    /// Where the socket is.
    public let path: SocketPath

    private let lock: CInt
    private let identity: FileIdentity
    private let state: Mutex<State>

    private init(path: SocketPath, lock: CInt, descriptor: CInt, identity: FileIdentity) {
        self.path = path
        self.lock = lock
        self.identity = identity
        self.state = Mutex(.bound(descriptor: descriptor))
    }

    /// Binds the path with mode 0660 and listens.
    ///
    /// The process's umask changes for the moment of the bind, so call it before other threads make files.
    ///
    /// - Throws: ``ListeningSocketError``; ``ListeningSocketError/alreadyServed(path:pid:)`` where a daemon lives there.
    public static func bind(_ path: SocketPath) throws(ListeningSocketError) -> ListeningSocket {
        let lock = try Self.acquireLock(for: path)
        do throws(ListeningSocketError) {
            try Self.removeStaleSocket(at: path)
            let descriptor = try Self.listen(at: path)
            guard let identity = FileIdentity(path: path.path) else {
                close(descriptor)
                throw ListeningSocketError.system("stat", path: path.path, code: errno)
            }
            return ListeningSocket(path: path, lock: lock, descriptor: descriptor, identity: identity)
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
    /// still accepted.
    func removePath() {
        if FileIdentity(path: self.path.path) == self.identity { unlink(self.path.path) }
    }

    /// Gives up the path and the lock. Further calls do nothing.
    public func release() {
        let previous = self.state.withLock { state in
            defer { state = .released }
            return state
        }
        if case .released = previous { return }
        self.removePath()
        if case .bound(let descriptor) = previous { close(descriptor) }
        close(self.lock)
    }

    deinit {
        self.release()
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
        self.device = status.st_dev
        self.inode = status.st_ino
        self.isSocket = status.st_mode & S_IFMT == S_IFSOCK
    }
}
