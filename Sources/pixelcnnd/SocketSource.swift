// Where the daemon will listen: settled first, so that a wrong path or descriptor shows before a model is loaded; bound
// last, so that no socket exists for a model that does not load.

import CSystemd
import Foundation
import Logging
import PixelCNNAPI
import PixelCNNServer
import Support

enum SocketSource {
    /// Listens already; the service manager's.
    case inherited(ListeningSocket)
    /// Still to be bound.
    case path(SocketPath)

    /// The inherited socket where there is one, else `--socket`, else the default path.
    static func find(
        _ settings: Settings, environment: [String: String], logger: Logger
    ) throws(Failure) -> SocketSource {
        if let socket = try InheritedSocket.take() {
            if let option = settings.socket {
                logger.notice("--socket \(option) is not used; the service manager passed \(socket.address)")
            }
            return .inherited(socket)
        }
        let path: SocketPath
        do {
            path = try SocketPath.forServer(option: settings.socket, environment: environment)
        } catch {
            throw Failure(.usage, "\(error)")
        }
        do { try ListeningSocket.check(path) } catch { throw Failure(.osError, "\(error)") }
        return .path(path)
    }

    /// The listening socket.
    func listen() throws(Failure) -> ListeningSocket {
        switch self {
        case .inherited(let socket): return socket
        case .path(let path):
            do {
                return try ListeningSocket.bind(path)
            } catch {
                if case .alreadyServed = error { throw Failure(.unavailable, "\(error)") }
                throw Failure(.osError, "\(error)")
            }
        }
    }
}

/// The socket that the service manager listens on for us (sd_listen_fds(3)): connections made while no daemon runs wait
/// in it. What was passed must be exactly what can be served, or an error says what it is instead.
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
