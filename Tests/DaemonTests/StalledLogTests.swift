// A log that nobody reads: a daemon whose standard error is a full pipe serves, reloads and ends as ever; the lines
// that did not fit are counted, and the log says so when it flows again.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Synchronization
import Testing

@testable import pixelcnnd

/// A pipe with a name that is full from the beginning; the test holds both ends of it.
private final class StalledPipe: Sendable {
    let path: String
    private let descriptor: Atomic<CInt>

    init(path: String) throws {
        self.path = path
        try #require(mkfifo(path, 0o600) == 0)
        let descriptor = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        self.descriptor = Atomic(descriptor)
        try #require(descriptor >= 0)
        let filling = [UInt8](repeating: UInt8(ascii: "\n"), count: 4096)
        while write(descriptor, filling, filling.count) > 0 {}
    }

    /// Takes out what is there.
    func read() -> String {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let descriptor = descriptor.load(ordering: .relaxed)
        while case let count = Foundation.read(descriptor, &buffer, buffer.count), count > 0 {
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Leaves: who writes to it gets an error from then on.
    func close() {
        let descriptor = descriptor.exchange(-1, ordering: .relaxed)
        if descriptor >= 0 { Foundation.close(descriptor) }
    }

    deinit { close() }
}

@Suite(.timeLimit(.minutes(30))) struct StalledLogTests {
    private let directory: TemporaryDirectory
    private let pipe: StalledPipe
    private var socket: String { directory.file("d.sock") }

    init() throws {
        directory = try TemporaryDirectory()
        pipe = try StalledPipe(path: directory.file("log"))
    }

    /// Starts a daemon that logs to the pipe, and waits until it is ready.
    private func start() async throws -> Command {
        let arguments = ["--socket", socket, "--model", Programs.model, "--threads", "1"]
        let command = try Command(
            "/bin/sh", ["-c", "log=$0; exec \"$@\" 2>\"$log\"", pipe.path, Programs.daemon] + arguments)
        #expect(await eventually { PlainRequest.get(Endpoint.readiness, socket: socket) != nil })
        return command
    }

    private func metric(_ name: String) -> Int {
        let text = PlainRequest.get(Endpoint.metrics, socket: socket).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        return line?.split(separator: " ").last.flatMap { Double($0) }.map { Int($0) } ?? -1
    }

    private func dropLines() {
        while metric("pixelcnnd_log_lines_dropped_total") == 0 {
            for _ in 0..<500 where PlainRequest.get(Endpoint.model, socket: socket) == nil {
                Issue.record("a request without a response")
            }
        }
    }

    @Test func everythingIsServedAndWhatIsLostIsCounted() async throws {
        let command = try await start()
        dropLines()
        #expect(try await Curl.send(Endpoint.samples, socket: socket, json: "{\"n\": 2}").status == 200)
        command.signal(SIGHUP)
        #expect(await eventually { metric("pixelcnnd_reloads_total{outcome=\"done\"}") == 1 })
        var text = ""
        #expect(
            await eventually {
                text += pipe.read()
                return text.contains(" lines of the log were dropped, over ")
            })
        let dropped = metric("pixelcnnd_log_lines_dropped_total")
        #expect(text.contains("warning pixelcnnd: [pixelcnnd] \(dropped) lines of the log were dropped"))
        // It flows again.
        #expect(PlainRequest.get(Endpoint.status, socket: socket) != nil)
        #expect(
            await eventually {
                text += pipe.read()
                return text.contains("GET /v1/status 200")
            })
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
        #expect((text + pipe.read()).hasSuffix("Stopped\n"))
    }

    @Test func aSignalEndsItAllTheSame() async throws {
        let command = try await start()
        dropLines()
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }

    @Test func aDaemonThatCannotStartEndsAllTheSame() async throws {
        let command = try Command(
            "/bin/sh",
            [
                "-c", "log=$0; exec \"$@\" 2>\"$log\"", pipe.path, Programs.daemon, "--socket", socket, "--model",
                "/no/such/file",
            ])
        #expect(try await command.wait().status == 66)
    }

    @Test func aReaderThatHasLeftForGoodIsNoEnd() async throws {
        let command = try await start()
        pipe.close()
        #expect(
            await eventually {
                _ = PlainRequest.get(Endpoint.model, socket: socket)
                return metric("pixelcnnd_log_lines_dropped_total") > 2
            })
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }
}

@Suite struct LogThreadTests {
    /// Writes nothing until it is opened.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        let written = Mutex<[String]>([])
        let reports = Mutex<[Int]>([])

        func write(_ line: LogThread.Line) -> Bool {
            semaphore.wait()
            semaphore.signal()
            if case .text(let text) = line { written.withLock { $0.append(text) } }
            return true
        }

        func open() { semaphore.signal() }
    }

    @Test func linesPastTheBoundAreDroppedCountedAndReported() async throws {
        let gate = Gate()
        let log = try LogThread(byteLimit: 100) {
            gate.write($0)
        } reportDropped: { count, _ in
            gate.reports.withLock { $0.append(count) }
        }
        for i in 0..<25 { log.offer(.text("line \(i % 10)\n\n\n")) }  // 9 bytes each
        #expect(log.dropped == 14)
        #expect(!log.flush(within: .milliseconds(20)))
        gate.open()
        #expect(log.flush(within: testTimeout))
        #expect(gate.written.withLock { $0.count } == 11)
        #expect(await eventually { gate.reports.withLock { $0 } == [14] })
        log.offer(.text("again"))
        #expect(log.flush(within: testTimeout))
        #expect(gate.written.withLock { $0.last } == "again")
        #expect(gate.reports.withLock { $0.count } == 1 && log.dropped == 14)
    }

    @Test func aLineThatCannotBeWrittenIsCounted() throws {
        let log = try LogThread(write: { _ in false }, reportDropped: { _, _ in })
        log.offer(.text("x"))
        #expect(log.flush(within: testTimeout))
        #expect(log.dropped == 1)
    }
}
