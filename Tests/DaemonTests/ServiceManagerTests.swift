// What the daemon reports to a service manager: the tests listen where systemd would.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Support
import Synchronization
import Testing

/// A datagram socket that collects notifications.
private final class NotificationSocket: Sendable {
    private let descriptor: CInt
    private let collected = Mutex<[String]>([])

    init(path: String) throws {
        self.descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(status == 0)
    }

    /// All lines so far.
    var lines: [String] {
        collected.withLock { lines in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while case let count = recv(descriptor, &buffer, buffer.count, 0), count > 0 {
                lines += String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
            }
            return lines
        }
    }

    func count(_ line: String) -> Int { lines.count { $0 == line } }

    /// Fills it, so that whoever sends to it waits until somebody reads.
    func fill(path: String) {
        let sender = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
        defer { close(sender) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isFull = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                while sendto(sender, "X=1", 3, 0, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 3 {}
                return errno == EAGAIN
            }
        }
        #expect(isFull)
    }

    deinit { close(descriptor) }
}

@Suite struct ServiceManagerTests {
    private let directory: TemporaryDirectory
    private let notifications: NotificationSocket
    private let socket: String

    init() throws {
        self.directory = try TemporaryDirectory()
        self.notifications = try NotificationSocket(path: self.directory.file("notify"))
        self.socket = self.directory.file("d.sock")
    }

    private func start(_ environment: [String: String], _ arguments: [String] = []) async throws -> Command {
        let all = environment.merging(["NOTIFY_SOCKET": directory.file("notify")]) { $1 }
        let command = try Command(
            Programs.daemon, ["--socket", self.socket, "--model", Programs.model, "--threads", "2"] + arguments,
            environment: all)
        let isReady = await eventually { notifications.count("READY=1") == 1 }
        #expect(isReady, "\(command.errors)")
        return command
    }

    @Test func readyStatusAndStoppingAreTold() async throws {
        let command = try await start([:])
        #expect(notifications.lines.contains { $0.hasPrefix("STATUS=Serving on \(socket) with 2 threads") })
        let response = try await Curl.send(Endpoint.samples, socket: socket, json: #"{"n": 3}"#)
        #expect(response.status == 200)
        // The two of the warm-up count too.
        #expect(
            await eventually { notifications.lines.contains { $0.hasSuffix(" 0 queued, 5 done") } })
        #expect(notifications.count("WATCHDOG=1") == 0)
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
        #expect(notifications.count("STOPPING=1") == 1)
    }

    @Test func aReloadIsTold() async throws {
        let model = directory.file("model.pt")
        try FileManager.default.copyItem(atPath: Programs.model, toPath: model)
        let command = try await self.start([:], ["--model", model])
        for (ready, result) in [(2, "; reloaded "), (3, "; reload failed ")] {
            if ready == 3 { try FileManager.default.removeItem(atPath: model) }
            var before = timespec()
            clock_gettime(CLOCK_MONOTONIC, &before)
            command.signal(SIGHUP)
            #expect(await eventually { notifications.count("READY=1") == ready })
            let lines = notifications.lines
            let start = try #require(lines.lastIndex(of: "RELOADING=1"))
            let time = try #require(Int(lines[start + 1].dropFirst("MONOTONIC_USEC=".count)))
            #expect(lines[start + 1].hasPrefix("MONOTONIC_USEC=") && time >= before.tv_sec * 1_000_000)
            let end = try #require(lines.lastIndex(of: "READY=1"))
            #expect(end > start && lines[end + 1].contains(result), "\(lines[start...])")
        }
        #expect(notifications.lines.contains { $0.contains("reload failed") && $0.contains(model) })
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }

    @Test func aDrainWithProgressAsksForTime() async throws {
        let command = try await start([:], ["--drain-timeout", "4"])
        async let response = Curl.send(
            Endpoint.samples, socket: socket, json: #"{"n": 2000, "height": 100, "width": 100}"#)
        #expect(
            await eventually {
                notifications.lines.contains { $0.contains(": 128 images in flight") }
            })
        #expect(notifications.count("EXTEND_TIMEOUT_USEC=15000000") == 0)
        command.signal(SIGTERM)
        // Past the bound what runs still gets a response.
        #expect(try await response.status == 503)
        let result = try await command.wait()
        #expect(result.status == 0 && result.errors.contains("The drain has taken 4 s"))
        #expect(notifications.count("EXTEND_TIMEOUT_USEC=15000000") > 0)
    }

    @Test func theWatchdogIsFedWhileNothingIsToDo() async throws {
        let command = try await start(["WATCHDOG_USEC": "200000"])
        let before = notifications.count("WATCHDOG=1")
        #expect(await eventually { notifications.count("WATCHDOG=1") >= before + 8 })
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }

    @Test func aStuckWorkerStopsTheFeedingThoughRequestsAreServed() async throws {
        let command = try await start(["WATCHDOG_USEC": "1000000", "PIXELCNND_DEBUG_FAULTS": "1"])
        let hanging = try Command(
            "/usr/bin/curl",
            [
                "--silent", "--max-time", "\(testTimeout.components.seconds)", "--unix-socket", self.socket, "-H",
                "Content-Type: application/json",
                "--data", #"{"seed": 3735928559}"#, "http://localhost\(Endpoint.samples)",
            ])
        #expect(await eventually { command.errors.contains("the watchdog is not fed") })
        let fed = notifications.count("WATCHDOG=1")
        try await Task.sleep(for: .milliseconds(1200))
        #expect(notifications.count("WATCHDOG=1") == fed)
        #expect(try await Curl.send(Endpoint.health, socket: self.socket).status == 200)
        command.signal(SIGKILL)
        _ = try await command.wait()
        #expect(try await hanging.wait().status == 52)  // curl's word for an empty response
    }

    /// Neither a request nor the drain goes on then, but the end has its bound.
    @Test(arguments: [(3_735_928_560, "event loop 0"), (3_735_928_561, "Swift's pool")])
    func whereAnEventLoopOrThePoolHangsTheFeedingStopsAndTheEndIsKept(seed: Int, name: String) async throws {
        let environment = ["WATCHDOG_USEC": "1000000", "PIXELCNND_DEBUG_FAULTS": "1"]
        let command = try await start(environment, ["--drain-timeout", "1"])
        let hanging = try SilentClient(
            socket,
            sending: "POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{\"seed\": \(seed)}")
        #expect(await eventually { command.errors.contains("\(name) has taken up no work") })
        #expect(command.errors.contains("the watchdog is not fed"))
        let fed = notifications.count("WATCHDOG=1")
        try await Task.sleep(for: .milliseconds(1200))
        #expect(notifications.count("WATCHDOG=1") == fed)
        command.signal(SIGTERM)
        let result = try await command.wait()
        #expect(result.status == SystemExit.software.rawValue)
        #expect(result.errors.contains("The end has taken 11 s, so something hangs"))
        withExtendedLifetime(hanging) {}
    }

    @Test func aHangingComputeThreadDoesNotKeepTheDaemon() async throws {
        let command = try await start(["PIXELCNND_DEBUG_FAULTS": "1"], ["--drain-timeout", "1"])
        async let response = Curl.send(Endpoint.samples, socket: socket, json: #"{"seed": 3735928559}"#)
        #expect(await eventually { notifications.lines.contains { $0.contains(": 1 images in flight") } })
        command.signal(SIGTERM)
        #expect(try await response.status == 503)
        #expect(try await command.wait().status == 0)
    }

    /// The units hide it: to the service it is no file, though the user sees it there.
    @Test func aModelInAHomeIsSaidToBeOutOfAServicesSight() async throws {
        for (environment, isAdvised) in [(["NOTIFY_SOCKET": directory.file("notify")], true), ([:], false)] {
            let command = try Command(
                Programs.daemon, ["--socket", socket, "--model", "/home/nobody-of-this-name/model.pt"],
                environment: environment)
            let result = try await command.wait()
            #expect(result.status == SystemExit.noInput.rawValue)
            #expect(
                result.errors.contains("no such file; a service does not see /home") == isAdvised, "\(result.errors)")
        }
    }

    @Test func aServiceManagerThatDoesNotReadHoldsUpNothing() async throws {
        notifications.fill(path: directory.file("notify"))
        let command = try Command(
            Programs.daemon, ["--socket", socket, "--model", Programs.model],
            environment: ["NOTIFY_SOCKET": directory.file("notify"), "WATCHDOG_USEC": "1000000"])
        #expect(await eventually { PlainRequest.get(Endpoint.readiness, socket: socket) != nil })
        for reload in 1...3 {
            command.signal(SIGHUP)
            #expect(await eventually { command.errors.ranges(of: "Reloaded: ").count == reload })
        }
        #expect(try await Curl.send(Endpoint.samples, socket: socket, json: "{}").status == 200)
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
        #expect(!notifications.lines.contains("READY=1"))
    }

    @Test(arguments: [3_735_928_559, 3_735_928_560, 3_735_928_561])
    func faultsAreNotArmedByDefault(seed: Int) async throws {
        let command = try await start([:])
        let response = try await Curl.send(Endpoint.samples, socket: socket, json: "{\"seed\": \(seed)}")
        #expect(response.status == 200)
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }
}
