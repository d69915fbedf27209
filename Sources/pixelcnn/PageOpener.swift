// Opens the page in the user's browser. Its address holds the session's token, and the arguments of a process are
// everybody's to read; so the browser gets a file that only the user can read, and that sends it on.

import Foundation
import Support

final class PageOpener: Sendable {
    private let folder: String

    /// Whether there is a display on which a browser could show the page.
    static var hasDisplay: Bool {
        let environment = ProcessInfo.processInfo.environment
        return ["WAYLAND_DISPLAY", "DISPLAY"].contains { environment[$0]?.isEmpty == false }
    }

    /// Writes the file, in the user's run-time folder, which ends with the session, else among temporary files.
    ///
    /// - Parameter address: of the page; it has no character that HTML knows.
    /// - Throws: ``Failure`` (73) where that is not possible.
    init(_ address: String) throws(Failure) {
        let environment = ProcessInfo.processInfo.environment
        let parent = ["XDG_RUNTIME_DIR", "TMPDIR"].compactMap { environment[$0] }.first { $0.hasPrefix("/") } ?? "/tmp"
        var template = Array("\(parent)/pixelcnn-open-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Failure(.cannotCreate, "cannot make a folder in \(parent): \(String(cString: strerror(errno)))")
        }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let html = """
            <!DOCTYPE html><meta charset="utf-8"><title>pixelcnn</title>
            <meta http-equiv="refresh" content="0; url=\(address)"><a href="\(address)">pixelcnn</a>

            """
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        guard FileManager.default.createFile(atPath: file, contents: Data(html.utf8), attributes: attributes) else {
            remove()
            throw Failure(.cannotCreate, "cannot write \(file)")
        }
    }

    private var file: String { "\(folder)/page.html" }

    /// Takes the file away.
    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Starts the browser, and says where it fails.
    func open() {
        let browser = ProcessInfo.processInfo.environment["BROWSER"] ?? ""
        // It may be a list of commands, of which the first is taken; %s in one stands for the address.
        let words = browser.prefix { $0 != ":" }.split(separator: " ").map(String.init)
        var command = words.isEmpty ? ["xdg-open"] : words
        let address = "file://\(file)"
        if !command.contains(where: { $0.contains("%s") }) { command.append("%s") }
        command = command.map { $0.replacing("%s", with: address) }
        let advice = "open the address in a browser yourself"
        let program = command[0]
        var identifier: pid_t = 0
        let code = Self.spawn(command, &identifier)
        guard code == 0 else { return say("cannot start \(program) (\(String(cString: strerror(code)))); \(advice)") }
        Thread.detachNewThread { [identifier] in
            var status: CInt = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            if status != 0 { say("\(program) has failed; \(advice)") }
        }
    }

    /// Starts a program as a desktop would: on no terminal, in a group that Ctrl-C here does not end, with signals as
    /// they are by default, and without our descriptors, among them the port. Foundation's `Process` would leave it
    /// signals that are blocked here, and NIO's sockets.
    ///
    /// - Returns: the number of an error, or 0.
    private static func spawn(_ command: [String], _ identifier: inout pid_t) -> CInt {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in open.compactMap({ CInt($0) }) where descriptor > STDERR_FILENO {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var arguments = command.map { strdup($0) } + [nil]
        var environment = ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + environment { free(text) } }
        return posix_spawnp(&identifier, command[0], &actions, &attributes, &arguments, &environment)
    }
}
