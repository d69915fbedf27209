// Who is at the other end of a connection, by the kernel's word (SO_PEERCRED): the process that connected, and its
// user. Asked once a connection, while it is accepted.

import Foundation
import NIOCore

struct PeerCredentials: Sendable, Equatable {
    let processIdentifier: pid_t
    let user: uid_t

    /// struct ucred, which the C library hides behind _GNU_SOURCE.
    struct Kernel: Sendable {
        let pid: pid_t
        let uid: uid_t
        let gid: gid_t
    }

    /// Asks the kernel, on the connection's event loop without waiting.
    static func of(_ channel: any Channel) -> EventLoopFuture<PeerCredentials?> {
        guard let options = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeSucceededFuture(nil)
        }
        let found: EventLoopFuture<Kernel> = options.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return found.map { PeerCredentials(processIdentifier: $0.pid, user: $0.uid) }
            .flatMapErrorThrowing { _ in nil }
    }
}
