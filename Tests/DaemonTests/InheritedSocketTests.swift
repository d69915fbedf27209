// A socket that somebody else listens on, as systemd does: a few lines of Python keep it and start the daemon on it.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Support
import Synchronization
import Testing

/// What starts the daemon with descriptor 3 passed, again for each SIGHUP, until SIGTERM; on a listening socket when
/// somebody connects.
private enum Activation {
    private static let script = """
        import os, select, signal, socket, sys
        kind, path, program = sys.argv[1], sys.argv[2], sys.argv[3:]
        if kind == "file":
            passed = open("/dev/null")
        elif kind == "internet":
            passed = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        else:
            passed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
            passed.bind(path)
            if kind in ("listening", "two"):
                passed.listen(4096)
        child, again = 0, True
        def stop(number, frame):
            global again
            again = number == signal.SIGHUP
            os.kill(child, signal.SIGTERM)
        signal.signal(signal.SIGHUP, stop)
        signal.signal(signal.SIGTERM, stop)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])
        while again:
            again = False
            if kind == "listening":
                select.select([passed], [], [])
            child = os.fork()
            if child == 0:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP, signal.SIGTERM])
                os.dup2(passed.fileno(), 3)
                os.set_inheritable(3, True)
                if kind == "two":
                    os.dup2(3, 4)
                os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), "2" if kind == "two" else "1"
                os.execv(program[0], program)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP, signal.SIGTERM])
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])
        sys.exit(status)
        """

    static func start(_ kind: String, _ socket: String, _ arguments: [String] = []) throws -> Command {
        let daemon = [Programs.daemon, "--model", Programs.model, "--threads", "1"] + arguments
        return try Command("/usr/bin/python3", ["-c", self.script, kind, socket] + daemon)
    }
}

/// Set by one task, read by others.
private final class Flag: Sendable {
    let value = Atomic(false)
}

@Suite struct InheritedSocketTests {
    private let directory: TemporaryDirectory
    private let socket: String

    init() throws {
        self.directory = try TemporaryDirectory()
        self.socket = self.directory.file("i.sock")
    }

    private func isServed() async -> Bool {
        (try? await Curl.send(Endpoint.samples, socket: socket, json: "{}").status) == 200
    }

    @Test func itIsServedBeforeAnyOptionAndLeftInPlace() async throws {
        let other = directory.file("option.sock")
        let activation = try Activation.start("listening", self.socket, ["--socket", other])
        #expect(await eventually { await isServed() })
        #expect(!FileManager.default.fileExists(atPath: other))
        activation.signal(SIGTERM)
        let result = try await activation.wait()
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("Serving on \(self.socket)"))
        #expect(result.errors.contains("--socket \(other) is not used"))
        #expect(FileManager.default.fileExists(atPath: self.socket))
    }

    @Test func restartsLoseNoConnection() async throws {
        let activation = try Activation.start("listening", socket)
        #expect(await eventually { await self.isServed() })
        let isOver = Flag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    repeat {
                        let isServed = await self.isServed()
                        #expect(isServed, "\(activation.errors)")
                    } while !isOver.value.load(ordering: .relaxed)
                }
            }
            for restart in 1...3 {
                try await Task.sleep(for: .milliseconds(200))
                activation.signal(SIGHUP)
                #expect(await eventually { activation.errors.ranges(of: "Serving on").count > restart })
            }
            isOver.value.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        activation.signal(SIGTERM)
        #expect(try await activation.wait().status == 0)
    }

    @Test func aLongRequestIsNoIdleness() async throws {
        let activation = try Activation.start("listening", socket, ["--exit-when-idle", "1"])
        let json = #"{"n": 2000, "height": 100, "width": 100, "deadline_ms": 4000}"#
        #expect(
            await eventually {
                (try? await Curl.send(Endpoint.samples, socket: socket, json: json).status) == 504
            })
        let result = try await activation.wait()
        #expect(result.status == 0)
        let record = try #require(result.errors.firstRange(of: "POST /v1/samples 504"), "\(result.errors)")
        let idle = try #require(result.errors.firstRange(of: "Nobody has asked for anything for 1 s"))
        #expect(record.upperBound < idle.lowerBound, "\(result.errors)")
    }

    @Test(arguments: [
        ("file", "not a socket"), ("internet", "not a Unix socket"), ("datagram", "not a stream socket"),
        ("idle", "not listening"), ("two", "LISTEN_FDS is 2"),
    ])
    func anythingElseIsRefusedByName(kind: String, mentions: String) async throws {
        let result = try await Activation.start(kind, self.socket).wait()
        #expect(result.status == SystemExit.usage.rawValue, "\(result.errors)")
        #expect(result.errors.contains(mentions), "\(result.errors)")
    }
}
