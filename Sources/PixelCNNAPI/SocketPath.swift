// Where the daemon listens and where the client looks. The kernel keeps 108 bytes for the path with its final zero, so
// a longer one is an error by name, never cut short.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The path of a Unix socket, known to fit.
package struct SocketPath: Sendable, Hashable, CustomStringConvertible {
    /// The most bytes of a path.
    package static let maximumLength = 107
    /// The system-wide socket.
    package static let system = "/run/pixelcnn/pixelcnn.sock"
    /// The socket's name inside `$XDG_RUNTIME_DIR`.
    static let fileName = "pixelcnn.sock"
    /// What may stand before a path, as URLs of Unix sockets have it; an absolute path may follow `unix:` directly.
    private static let scheme = "unix:"

    /// The path.
    package let path: String

    /// Checks a path, or a `unix://` and a path.
    ///
    /// - Throws: ``SocketPathError`` where it is empty, too long, an abstract name, or holds a zero byte.
    package init(_ text: String) throws(SocketPathError) {
        let path = Self.withoutScheme(text)
        let length = path.utf8.count
        guard length > 0 else { throw .empty }
        guard path.utf8.first != UInt8(ascii: "@") else { throw .abstract(path) }
        guard length <= Self.maximumLength else { throw .tooLong(path: path, length: length) }
        guard !path.utf8.contains(0) else { throw .zeroByte }
        self.path = path
    }

    private static func withoutScheme(_ text: String) -> String {
        for (start, kept) in [("\(scheme)//", ""), ("\(scheme)/", "/")] where text.hasPrefix(start) {
            return kept + text.dropFirst(start.count)
        }
        return text
    }

    /// The path.
    package var description: String { path }

    /// Where the daemon listens: the option (or its own variable), else the user's socket, else
    /// `/run/pixelcnn/pixelcnn.sock`.
    ///
    /// - Parameter userFolder: where users' sockets go if `XDG_RUNTIME_DIR` does not say it. Not root's: its daemon
    ///   serves the system.
    package static func forServer(
        option: String?, environment: [String: String], userFolder: String? = getuid() == 0 ? nil : Self.userFolder
    ) throws(SocketPathError) -> SocketPath {
        if let option { return try SocketPath(option) }
        if let users = try Self.users(environment, userFolder) { return users }
        return try SocketPath(Self.system)
    }

    /// Where the client looks, in order: the option, else `PIXELCNN_SOCKET`, else each default. The first that accepts
    /// a connection wins, so that a stale file hides nothing; nor does a run-time directory whose path is too long.
    package static func candidates(
        option: String?, environment: [String: String], userFolder: String? = Self.userFolder
    ) throws(SocketPathError) -> [SocketPath] {
        if let path = option ?? environment["PIXELCNN_SOCKET"].nonEmpty { return [try SocketPath(path)] }
        let users = try? Self.users(environment, userFolder)
        return [users, try SocketPath(Self.system)].compactMap(\.self)
    }

    /// Why the user's socket is not among the candidates; nil where it is, or there is none.
    package static func unusableCandidate(
        option: String?, environment: [String: String]
    ) -> SocketPathError? {
        guard option == nil, environment["PIXELCNN_SOCKET"].nonEmpty == nil else { return nil }
        do {
            _ = try users(environment, nil)
            return nil
        } catch {
            return error
        }
    }

    /// The user's socket: in the run-time directory that is set, else in the one that there is.
    private static func users(
        _ environment: [String: String], _ userFolder: String?
    ) throws(SocketPathError) -> SocketPath? {
        var folder = userFolder
        // The XDG specification has relative values ignored.
        if let named = environment["XDG_RUNTIME_DIR"].nonEmpty, named.hasPrefix("/") { folder = named }
        guard let folder else { return nil }
        return try SocketPath(folder.hasSuffix("/") ? folder + fileName : "\(folder)/\(fileName)")
    }

    /// The run-time directory that systemd makes for each user who has logged in; nil where there is none. It is there
    /// for programs, too, whose environment does not name it: of cron, and behind su or sudo.
    package static var userFolder: String? {
        let path = "/run/user/\(getuid())"
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR ? path : nil
    }

    /// Calls `body` with the path as the kernel takes it.
    package func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
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
    /// A name that is no file, as `ss` writes it.
    case abstract(String)

    /// One line for a person.
    package var description: String {
        switch self {
        case .empty: "the socket path is empty"
        case .tooLong(let path, let length):
            "the socket path \(path) has \(length) bytes; a Unix socket's path has at most \(SocketPath.maximumLength)"
        case .zeroByte: "the socket path holds a zero byte"
        case .abstract(let path):
            "the socket \(path) is an abstract name, to which every user could connect: name a file, whose permissions "
                + "say who may (./\(path) for a file of that name)"
        }
    }
}
