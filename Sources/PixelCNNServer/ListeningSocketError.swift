// Why the daemon cannot have its socket.

import Foundation

/// Why a socket path cannot be served.
package enum ListeningSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another daemon serves the path; its process identifier, where it can be told.
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
