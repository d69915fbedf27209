// pixelcnnd from start to exit: signals, sockets left behind, a second daemon, and what it says when it cannot start.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite struct DaemonLifecycleTests {
    @Test(arguments: [SIGTERM, SIGINT])
    func aSignalEndsItCleanly(signal: Int32) async throws {
        let daemon = try await RunningDaemon.start()
        #expect(FileManager.default.fileExists(atPath: daemon.socket))
        let result = try await daemon.stop(signal)
        #expect(result.status == 0, "\(result.errors)")
        #expect(!FileManager.default.fileExists(atPath: daemon.socket))
    }

    @Test func aRequestsBytesAreTheSameAfterARestartAndInACrowd() async throws {
        func draw(_ daemon: RunningDaemon, _ type: String) async throws -> [UInt8] {
            let response = try await Curl.send(
                Endpoint.samples, socket: daemon.socket, ["-H", "Accept: \(type)"],
                json: "{\"n\":5,\"seed\":77,\"first_index\":18446744073709551000,\"temperature\":0.9}")
            #expect(response.status == 200)
            return response.body
        }
        for type in [MediaTypeName.png, MediaTypeName.npy] {
            var responses: [[UInt8]] = []
            for threads in ["1", "2", "2"] {
                try await RunningDaemon.run(["--threads", threads]) { daemon in
                    responses.append(try await draw(daemon, type))
                    // Beside others, whose images are drawn together with these.
                    async let crowd = withThrowingTaskGroup(of: Int.self) { group in
                        for i in 0..<6 {
                            group.addTask {
                                try await Curl.send(
                                    Endpoint.samples, socket: daemon.socket, json: "{\"n\":\(1 + i * 20),\"seed\":\(i)}"
                                ).status
                            }
                        }
                        return try await group.allSatisfy { $0 == 200 }
                    }
                    responses.append(try await draw(daemon, type))
                    #expect(try await crowd)
                }
            }
            #expect(responses.count == 6 && responses.allSatisfy { $0 == responses[0] })
        }
    }

    @Test func withNothingToDoItEndsWhereItIsTold() async throws {
        let directory = try TemporaryDirectory()
        let result = try await Command.run(
            Programs.daemon,
            ["--model", Programs.model, "--socket", directory.file("s"), "--exit-when-idle", "1"])
        #expect(result.status == 0 && result.errors.contains("Nobody has asked for anything for 1 s"))
        #expect(result.errors.contains("Stopped"))
    }

    @Test func itDoesNotOutliveWhoHoldsItsLifeline() async throws {
        let directory = try TemporaryDirectory()
        let (pipe, socket) = (directory.file("pipe"), directory.file("s"))
        try #require(mkfifo(pipe, 0o600) == 0)
        let held = open(pipe, O_RDWR | O_CLOEXEC)
        try #require(held >= 0)
        let command = try Command(
            "/bin/sh",
            [
                "-c", "exec \"$0\" --model \"$1\" --socket \"$2\" --lifeline 5 5<\"$3\"", Programs.daemon,
                Programs.model, socket, pipe,
            ])
        #expect(await eventually { PlainRequest.get(Endpoint.readiness, socket: socket) != nil })
        #expect(write(held, "x", 1) == 1)  // what comes through it means nothing
        #expect(PlainRequest.get(Endpoint.readiness, socket: socket) != nil && command.isRunning)
        close(held)
        let result = try await command.wait()
        #expect(result.status == 0 && result.errors.contains("Stopped"), "\(result.errors)")
        for descriptor in ["0", "77"] {
            let wrong = try await Command.run(
                "/bin/sh",
                ["-c", "exec \"$0\" --socket \"$1\" --lifeline \(descriptor) </dev/null", Programs.daemon, socket])
            #expect(wrong.status == SystemExit.usage.rawValue)
            #expect(wrong.errors.contains("--lifeline is \(descriptor); allowed is the open descriptor of a pipe's"))
        }
    }

    @Test func theSocketIsForOwnerAndGroup() async throws {
        try await RunningDaemon.run { daemon in
            let attributes = try FileManager.default.attributesOfItem(atPath: daemon.socket)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o660)
        }
    }

    @Test func aKilledDaemonsSocketIsReplaced() async throws {
        let directory = try TemporaryDirectory()
        let killed = try await RunningDaemon.start(in: directory)
        _ = try await killed.stop(SIGKILL)
        #expect(FileManager.default.fileExists(atPath: killed.socket))
        let next = try await RunningDaemon.start(in: directory)
        #expect(try await next.stop().status == 0)
    }

    @Test func aSecondDaemonLeavesTheFirstAlone() async throws {
        try await RunningDaemon.run { daemon in
            let second = try await Command.run(
                Programs.daemon, ["--socket", daemon.socket, "--model", Programs.model])
            #expect(second.status == SystemExit.unavailable.rawValue)
            #expect(second.errors.contains("another pixelcnnd (pid \(daemon.command.processIdentifier)) serves"))
            let response = try await Curl.send(Endpoint.health, socket: daemon.socket)
            #expect(response.status == 200)
        }
    }

    @Test func checkSaysWhatTheModelIs() async throws {
        let result = try await Command.run(Programs.daemon, ["--check", "--model", Programs.model])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.text.split(separator: "\n").count == 1)
        #expect(result.text.contains("parameters") && result.text.contains("sha256"))
        #expect(result.errors.isEmpty)
    }

    @Test func checkWarnsOfWhatMayNotBeMeant() async throws {
        let fixtures = URL(fileURLWithPath: Programs.model).deletingLastPathComponent().path
        let result = try await Command.run(
            Programs.daemon, ["--check", "--model", "\(fixtures)/wide-kernel-state.pt"],
            environment: ["PIXELCNND_MAX_QEUE": "4", "PIXELCNND_SERVICE_HOST": "10.0.0.1"])
        #expect(result.status == 0, "\(result.errors)")
        let warnings = result.errors.split(separator: "\n")
        #expect(warnings.count == 2, "\(result.errors)")
        #expect(warnings[0].contains("PIXELCNND_MAX_QEUE is no setting"))
        #expect(warnings[1].contains("does not say its image size; taking 32 × 32"))
    }

    @Test func optionsComeFromTheEnvironmentToo() async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.file("e.sock")
        let environment = [
            "PIXELCNND_MODEL": Programs.model, "PIXELCNND_SOCKET": socket, "PIXELCNND_THREADS": "1",
            "PIXELCNND_HEIGHT": "9", "PIXELCNND_WIDTH": "7", "PIXELCNND_PRECISION": "i16",
        ]
        // The command line wins over the environment.
        let command = try Command(Programs.daemon, ["--width", "6"], environment: environment)
        let isReady = await eventually {
            (try? await Curl.send(Endpoint.readiness, socket: socket).status) == 200
        }
        #expect(isReady, "\(command.errors)")
        let model = try JSONCoding.decode(
            ModelDescription.self, from: await Curl.send(Endpoint.model, socket: socket).body)
        #expect((model.height, model.width, model.threads, model.precision) == (9, 6, 1, "i16"))
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }
}

@Suite struct DaemonStartErrorTests {
    private func run(
        _ arguments: [String], environment: [String: String] = [:], expecting status: SystemExit, mentions: String...
    ) async throws {
        let result = try await Command.run(Programs.daemon, arguments, environment: environment)
        #expect(result.status == status.rawValue, "\(result.errors)")
        for text in mentions { #expect(result.errors.contains(text), "\(result.errors)") }
    }

    @Test func aMissingModelIs66() async throws {
        let directory = try TemporaryDirectory()
        for arguments in [["--socket", directory.file("s")], ["--check"]] {
            try await run(arguments + ["--model", "/no/such/file"], expecting: .noInput, mentions: "/no/such/file")
        }
    }

    @Test func aBadModelIs65AndMakesNoSocket() async throws {
        let directory = try TemporaryDirectory()
        try Data("BAD".utf8).write(to: URL(fileURLWithPath: directory.file("bad.safetensors")))
        let model = ["--model", directory.file("bad.safetensors")]
        try await run(model + ["--check"], expecting: .dataError, mentions: "bad.safetensors")
        try await run(model + ["--socket", directory.file("s")], expecting: .dataError)
        #expect(!FileManager.default.fileExists(atPath: directory.file("s")))
    }

    @Test func wrongOptionsAre64AndNamed() async throws {
        try await run(["--nonsense"], expecting: .usage, mentions: "--nonsense")
        try await run(["--threads", "0"], expecting: .usage, mentions: "--threads", "1…1024")
        try await run(
            ["--check", "--model", "/no/such/file"], environment: ["PIXELCNN_ISA": "mmx"], expecting: .usage,
            mentions: "PIXELCNN_ISA", "mmx")
        try await run(["--threads", "x"], expecting: .usage, mentions: "--threads")
        try await run(["--precision", "f16"], expecting: .usage, mentions: "--precision", "\"f16\"", "f32, i16")
        try await run(["--precision", "bf16"], expecting: .usage, mentions: "bf16 is no more", "i16")
        try await run(["--log-level", "loud"], expecting: .usage, mentions: "loud", "info")
        try await run(
            [], environment: ["PIXELCNND_MAX_QUEUE": "-1"], expecting: .usage, mentions: "PIXELCNND_MAX_QUEUE")
    }

    @Test func aSocketPathTooLongIs64AndNamed() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 103)
        try await run(["--socket", path], expecting: .usage, mentions: "108", "107")
    }

    @Test func versionAndHelpExitWith0() async throws {
        for (program, name) in [(Programs.daemon, "pixelcnnd"), (Programs.client, "pixelcnn")] {
            let version = try await Command.run(program, ["--version"])
            #expect(version.status == 0)
            #expect(version.text == "\(name) \(Version.current)\n")
            let help = try await Command.run(program, ["--help"])
            #expect(help.status == 0)
            #expect(help.text.contains("EXAMPLES") && help.text.contains("EXIT STATUS"))
            // Everybody may put files there.
            #expect(!help.text.contains("/tmp/"))
        }
    }
}
