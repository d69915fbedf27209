// Where the daemon listens and where the client looks. The kernel keeps 108 bytes for the path with its final zero, so
// a longer one is an error by name, never cut short.

/// The path of a Unix socket, known to fit.
package struct SocketPath: Sendable, Hashable, CustomStringConvertible {
    /// The most bytes of a path.
    package static let maximumLength = 107
    /// The system-wide socket.
    package static let system = "/run/pixelcnn/pixelcnn.sock"
    /// The socket's name inside `$XDG_RUNTIME_DIR`.
    static let fileName = "pixelcnn.sock"

    /// The path.
    package let path: String

    /// Checks a path.
    ///
    /// - Throws: ``SocketPathError`` where it is empty, too long, or holds a zero byte.
    package init(_ path: String) throws(SocketPathError) {
        let length = path.utf8.count
        guard length > 0 else { throw .empty }
        guard length <= Self.maximumLength else { throw .tooLong(path: path, length: length) }
        guard !path.utf8.contains(0) else { throw .zeroByte }
        self.path = path
    }

    /// The path.
    package var description: String { path }

    /// Where the daemon listens: the option (or its own variable), else `$XDG_RUNTIME_DIR/pixelcnn.sock`, else
    /// `/run/pixelcnn/pixelcnn.sock`.
    package static func forServer(
        option: String?, environment: [String: String]
    ) throws(SocketPathError) -> SocketPath {
        if let option { return try SocketPath(option) }
        return try Self.defaults(environment)[0]
    }

    /// Where the client looks, in order: the option, else `PIXELCNN_SOCKET`, else each default. The first that accepts
    /// a connection wins, so that a stale file hides nothing.
    package static func candidates(
        option: String?, environment: [String: String]
    ) throws(SocketPathError) -> [SocketPath] {
        if let path = option ?? environment["PIXELCNN_SOCKET"].nonEmpty { return [try SocketPath(path)] }
        return try Self.defaults(environment)
    }

    /// The user's socket where a run-time directory is set, then the system's.
    private static func defaults(_ environment: [String: String]) throws(SocketPathError) -> [SocketPath] {
        var paths: [SocketPath] = []
        // The XDG specification has relative values ignored.
        if let directory = environment["XDG_RUNTIME_DIR"].nonEmpty, directory.hasPrefix("/") {
            paths.append(try SocketPath(directory.hasSuffix("/") ? directory + fileName : "\(directory)/\(fileName)"))
        }
        paths.append(try SocketPath(Self.system))
        return paths
    }
}

extension String? {
    /// An empty environment variable counts as unset.
    fileprivate var nonEmpty: String? {
        guard let self, !self.isEmpty else { return nil }
        return self
    }
}

/// Why a text is not the path of a Unix socket.
package enum SocketPathError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No path at all.
    case empty
    /// More bytes than the kernel keeps.
    case tooLong(path: String, length: Int)
    /// A zero byte would end the path early.
    case zeroByte

    /// One line for a person.
    package var description: String {
        switch self {
        case .empty: "the socket path is empty"
        case .tooLong(let path, let length):
            "the socket path \(path) has \(length) bytes; a Unix socket's path has at most \(SocketPath.maximumLength)"
        case .zeroByte: "the socket path holds a zero byte"
        }
    }
}
