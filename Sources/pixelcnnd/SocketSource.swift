// Where the daemon will listen: settled first, so that a wrong path or descriptor shows before a model is loaded; bound
// last, so that no socket exists for a model that does not load.

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
        do {
            return .path(try SocketPath.forServer(option: settings.socket, environment: environment))
        } catch {
            throw Failure(.usage, "\(error)")
        }
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
