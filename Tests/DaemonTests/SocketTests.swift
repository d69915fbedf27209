// Sockets as people name them, at any length that the kernel takes; and a client that comes before its daemon.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.timeLimit(.minutes(5))) struct SocketTests {
    /// A path of so many bytes in a folder.
    private func path(_ directory: TemporaryDirectory, bytes: Int) -> String {
        let start = directory.file("")
        return start + String(repeating: "s", count: bytes - start.utf8.count)
    }

    private func start(_ options: [String], environment: [String: String] = [:]) throws -> Command {
        try Command(Programs.daemon, ["--model", Programs.model] + options, environment: environment)
    }

    @Test(arguments: [103, 104, 105, 106, 107])
    func bothTakeEveryLengthThatTheKernelTakes(bytes: Int) async throws {
        let directory = try TemporaryDirectory()
        let socket = path(directory, bytes: bytes)
        let daemon = try start(["--socket", socket])
        #expect(await eventually { PlainRequest.get(Endpoint.readiness, socket: socket) != nil || !daemon.isRunning })
        for (arguments, environment) in [
            (["--socket", socket], [:]), ([], ["PIXELCNN_SOCKET": socket]), (["--socket", "unix://\(socket)"], [:]),
        ] {
            let result = try await Programs.client(["status"] + arguments, environment: environment)
            #expect(result.status == 0, "\(bytes): \(result.errors)")
        }
        daemon.signal(SIGTERM)
        #expect(try await daemon.wait().status == 0)
    }

    @Test func bothRefuseALongerOneWithItsLength() async throws {
        let directory = try TemporaryDirectory()
        let socket = path(directory, bytes: 108)
        let client = try await Programs.client(["status", "--socket", socket])
        let daemon = try start(["--socket", socket])
        for result in [client, try await daemon.wait()] {
            #expect(result.status == SystemExit.usage.rawValue, "\(result.errors)")
            #expect(result.errors.contains("has 108 bytes"), "\(result.errors)")
            #expect(result.errors.contains("at most 107"), "\(result.errors)")
        }
    }

    /// Root is needed for the system's socket, in a folder /run of its own.
    @Test(.enabled(if: getuid() == 0, "root is needed to mount"))
    func anOverlongRuntimeDirectoryHidesNothing() async throws {
        let directory = try TemporaryDirectory()
        let long = directory.file(String(repeating: "d", count: 90))
        let script = """
            mount -t tmpfs tmpfs /run && mkdir /run/pixelcnn || exit 99
            '\(Programs.daemon)' --model '\(Programs.model)' --socket /run/pixelcnn/pixelcnn.sock 2>/dev/null &
            export XDG_RUNTIME_DIR='\(long)'
            '\(Programs.client)' status --wait 300 >/dev/null; echo "served $?"
            kill $!; wait
            '\(Programs.client)' status; echo "none $?"
            """
        let result = try await Command.run("/usr/bin/env", ["unshare", "--mount", "sh", "-c", script])
        #expect(result.text == "served 0\nnone 69\n", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("/run/pixelcnn/pixelcnn.sock (No such file or directory)"), "\(result.errors)")
        #expect(result.errors.contains("at most 107"), "\(result.errors)")
    }

    /// As a user without the variable, such as behind `su`: root is needed to become one.
    @Test(.enabled(if: getuid() == 0, "root is needed to become another user"))
    func withoutTheVariableTheUsersFolderIsFoundByBoth() async throws {
        let script = """
            mount -t tmpfs tmpfs /run && mkdir -p /run/user/12345 && chown 12345 /run/user/12345 || exit 99
            unset XDG_RUNTIME_DIR
            user='setpriv --reuid 12345 --regid 12345 --clear-groups'
            $user '\(Programs.daemon)' --model '\(Programs.model)' 2>/dev/null &
            $user '\(Programs.client)' model --wait 300 >/dev/null; echo "found $?"
            ls /run/user/12345; ls /run
            kill $!; wait
            """
        let result = try await Command.run("/usr/bin/env", ["unshare", "--mount", "sh", "-c", script])
        #expect(result.text == "found 0\npixelcnn.sock\nuser\n", "\(result.text) \(result.errors)")
    }

    @Test func anAbstractNameIsRefusedByBothAndMakesNoFile() async throws {
        let directory = try TemporaryDirectory()
        for program in ["\(Programs.daemon) --model \(Programs.model)", "\(Programs.client) status"] {
            let result = try await Command.run(
                "/bin/sh", ["-c", "cd '\(directory.path)' && exec \(program) --socket @abs"])
            #expect(result.status == SystemExit.usage.rawValue, "\(result.errors)")
            #expect(result.errors.contains("@abs is an abstract name") && result.errors.contains("./@abs"))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }

    @Test func aSocketThatCannotBeIsSaidBeforeTheModelIsLoaded() async throws {
        let directory = try TemporaryDirectory()
        try Data().write(to: URL(fileURLWithPath: directory.file("file")))
        for (socket, words) in [
            (directory.file("no/such/s"), "its folder does not exist"), (directory.file("file/s"), "Not a directory"),
            (directory.file("file"), "is not a socket"),
        ] {
            let result = try await Command.run(Programs.daemon, ["/no/such/model.pt", "--socket", socket])
            #expect(result.status == SystemExit.osError.rawValue, "\(socket): \(result.errors)")
            #expect(result.errors.contains(words) && !result.errors.contains("model.pt"), "\(result.errors)")
        }
    }

    // MARK: - Before the daemon

    @Test(arguments: [["sample", "-q", "-o", "x.npy"], ["score", "i.npy"]])
    func aDaemonThatIsStartingIsWaitedFor(words: [String]) async throws {
        let directory = try TemporaryDirectory()
        let image = NPYArray.encode([UInt8](repeating: 9, count: 192), shape: [3, 8, 8])
        try Data(image).write(to: URL(fileURLWithPath: directory.file("i.npy")))
        let script = """
            cd '\(directory.path)' || exit
            '\(Programs.daemon)' '\(Programs.model)' --socket s 2>/dev/null &
            '\(Programs.client)' \(words.joined(separator: " ")) --wait 300 --socket s >/dev/null
            echo $?
            kill $!
            """
        let result = try await Command.run("/bin/sh", ["-c", script])
        #expect(result.text == "0\n", "\(result.errors)")
    }

    @Test func whoWaitsIsToldAndWhoDoesNotWaitIsNotHeldUp() async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.file("s")
        let waiting = try Command(Programs.client, ["sample", "--wait", "0.5", "--socket", socket])
        let result = try await waiting.wait()
        #expect(result.status == SystemExit.unavailable.rawValue)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].contains("waiting up to 0.5 s, as it may be starting"), "\(lines)")
        for words in [["sample", "--no-wait"], ["status"], ["model"], ["sample", "--wait", "0"]] {
            let result = try await Programs.client(words + ["--socket", socket])
            #expect(result.status == SystemExit.unavailable.rawValue)
            #expect(result.errors.split(separator: "\n").count == 1, "\(words): \(result.errors)")
        }
    }
}
