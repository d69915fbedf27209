// The socket that the service manager listens on for us (sd_listen_fds(3)): connections made while no daemon runs wait
// in it. What was passed must be exactly what can be served, or the daemon says what it got instead.

import CSystemd
import Foundation
import PixelCNNServer
import Support

enum InheritedSocket {
    /// The passed socket; nil where none was passed to this process.
    static func take() throws(Failure) -> ListeningSocket? {
        let count = sd_listen_fds(1)
        guard count >= 0 else { throw Failure(.usage, "LISTEN_FDS: \(String(cString: strerror(-count)))") }
        guard count > 0 else { return nil }
        guard count == 1 else {
            throw Failure(.usage, "LISTEN_FDS is \(count); allowed is 1, as one daemon serves one socket")
        }
        let descriptor = CInt(SD_LISTEN_FDS_START)
        if let found = Self.objection(to: descriptor) {
            throw Failure(
                .usage, "LISTEN_FDS: descriptor \(descriptor) is \(found); allowed is a listening Unix stream socket")
        }
        return ListeningSocket(inheriting: descriptor)
    }

    /// What is wrong with a descriptor; nil where it is a listening Unix stream socket.
    private static func objection(to descriptor: CInt) -> String? {
        let stream = CInt(SOCK_STREAM.rawValue)
        guard sd_is_socket(descriptor, AF_UNSPEC, 0, -1) > 0 else { return "not a socket" }
        guard sd_is_socket(descriptor, AF_UNIX, 0, -1) > 0 else { return "not a Unix socket" }
        guard sd_is_socket_unix(descriptor, stream, -1, nil, 0) > 0 else { return "not a stream socket" }
        guard sd_is_socket_unix(descriptor, stream, 1, nil, 0) > 0 else { return "not listening" }
        return nil
    }
}
