// What people who know other daemons and other HTTP APIs try with this one.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@testable import pixelcnnd

@Suite(.timeLimit(.minutes(5))) struct HabitTests {
    // MARK: - The daemon

    @Test func theModelMayStandWithoutItsOption() async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.file("s")
        let daemon = try Command(
            Programs.daemon, [Programs.model, "--socket", "unix://\(socket)", "--cache-size", "1M"])
        #expect(await eventually { PlainRequest.get(Endpoint.readiness, socket: socket) != nil || !daemon.isRunning })
        let status = try JSONCoding.decode(
            StatusDescription.self, from: #require(PlainRequest.get(Endpoint.status, socket: socket)))
        #expect(status.prefixCache.maximumBytes == 1 << 20)
        daemon.signal(SIGTERM)
        #expect(try await daemon.wait().status == 0)
    }

    @Test(arguments: [
        ("4096", 4096), ("256M", 256 << 20), ("2g", 2 << 30), ("1GiB", 1 << 30), ("3kb", 3072), ("1T", 1 << 40),
        ("0", 0), ("M", nil), ("1.5G", nil), ("-1", nil), ("1 M", nil), ("9999999999T", nil), ("1MM", nil), ("", nil),
    ])
    func sizesAreReadAsPeopleWriteThem(text: String, bytes: Int?) {
        #expect(ByteCount.read(text) == bytes)
    }

    @Test func sizesInTheFileAndTheEnvironmentHaveUnitsToo() throws {
        let directory = try TemporaryDirectory()
        try Data("max_body: 2M\nmax_row_caches: 64M".utf8).write(to: URL(fileURLWithPath: directory.file("c.yaml")))
        let options = try DaemonOptions.parse(["--config", directory.file("c.yaml")])
        let settings = try Settings(options: options, environment: ["PIXELCNND_MAX_REQUEST_MEMORY": "1G"])
        #expect(settings.maxBody == 2 << 20 && settings.maxRowCaches == 64 << 20)
        #expect(settings.maxRequestMemory == 1 << 30)
    }

    /// A daemon in the foreground of a terminal that is closed under it: of its own, and behind a shell. `script` is
    /// the terminal.
    @Test(arguments: ["exec", ""]) func aClosedTerminalEndsTheDaemon(exec: String) async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.file("s")
        let process = try await closeTerminal(of: "\(exec) \(Programs.daemon) \(Programs.model)", socket)
        #expect(await eventually { hasEnded(process) })
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    @Test(arguments: ["exec", ""]) func aDaemonUnderNohupOutlivesItsTerminal(exec: String) async throws {
        let directory = try TemporaryDirectory()
        let socket = directory.file("s")
        let log = directory.file("log")
        let process = try await closeTerminal(
            of: "\(exec) nohup \(Programs.daemon) \(Programs.model) >\(log) 2>&1", socket)
        defer { kill(process, SIGKILL) }
        // Signals are taken in their order: one that had to end would not reload. Two that come together may be one.
        let hasReloaded = await eventually {
            kill(process, SIGHUP)
            return (try? String(contentsOfFile: log, encoding: .utf8))?.contains("Reloaded: ") == true
        }
        #expect(hasReloaded && PlainRequest.get(Endpoint.readiness, socket: socket) != nil)
        #expect(kill(process, SIGTERM) == 0)
        #expect(await eventually { hasEnded(process) })
    }

    /// Runs a daemon in the foreground of a terminal, which is closed once the daemon serves; returns its process.
    private func closeTerminal(of command: String, _ socket: String) async throws -> pid_t {
        let terminal = try Command(
            "/usr/bin/env",
            [
                "--default-signal=HUP", "script", "-qefc",
                "env --default-signal=HUP sh -c '\(command) --socket \(socket); true'", "/dev/null",
            ], environment: ["SHELL": "/bin/sh", "TERM": "xterm"])
        #expect(await eventually { PlainRequest.get(Endpoint.readiness, socket: socket) != nil || !terminal.isRunning })
        let status = try JSONCoding.decode(
            StatusDescription.self, from: #require(PlainRequest.get(Endpoint.status, socket: socket)))
        terminal.signal(SIGKILL)
        // Not by waiting for it: Foundation would wait for all that it has started, too.
        #expect(await eventually { hasEnded(terminal.processIdentifier) })
        return pid_t(status.processIdentifier)
    }

    /// Whoever is its parent now may leave it as a zombie.
    private func hasEnded(_ process: pid_t) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return true }
        return text.contains(") Z ")
    }

    // MARK: - The protocol

    private func draw(_ daemon: RunningDaemon, _ json: String) async throws -> (CurlResponse, seed: String?) {
        let response = try await Curl.send(
            Endpoint.samples, socket: daemon.socket, ["-H", "Accept: application/x-npy"], json: json)
        return (response, response.headers["pixelcnn-seed"])
    }

    @Test func nullIsAFieldLeftOutAndMinusOneARandomSeed() async throws {
        try await RunningDaemon.run { daemon in
            let plain = try await draw(daemon, "{\"seed\":5}").0
            let nulls = SampleRequest.fields.map(\.name).filter { $0 != "seed" }.map { "\"\($0)\":null" }
            let same = try await draw(daemon, "{\"seed\":5,\(nulls.joined(separator: ","))}").0
            #expect(same.status == 200 && same.body == plain.body, "\(same.text)")
            var seeds: Set<String> = []
            for seed in ["-1", "\"-1\"", "-1.0", "null"] {
                let (response, seed) = try await draw(daemon, "{\"seed\":\(seed)}")
                #expect(response.status == 200, "\(response.text)")
                seeds.insert(seed ?? "none")
            }
            #expect(seeds.count == 4 && !seeds.contains("none"))
            for (json, status) in [
                ("{\"sede\":null}", 400), ("{\"seed\":-2}", 422), ("{\"n\":-1}", 422), ("{\"first_index\":-1}", 422),
                ("{\"given\":{\"image\":null,\"rows\":1}}", 400),
            ] {
                #expect(try await draw(daemon, json).0.status == status, "\(json)")
            }
        }
    }

    @Test func aCompressedBodyIs415() async throws {
        try await RunningDaemon.run { daemon in
            for (path, type) in [(Endpoint.samples, MediaTypeName.json), (Endpoint.score, MediaTypeName.npy)] {
                let plain = path == Endpoint.samples ? 200 : 400
                for (coding, status) in [("gzip", 415), ("br", 415), ("identity", plain)] {
                    let response = try await Curl.send(
                        path, socket: daemon.socket,
                        ["-H", "Content-Type: \(type)", "-H", "Content-Encoding: \(coding)", "-d", "{}"])
                    #expect(response.status == status, "\(path) \(coding): \(response.text)")
                    guard status == 415 else { continue }
                    #expect(response.text.contains("Content-Encoding is \(coding)"), "\(response.text)")
                    #expect(response.headers["accept-encoding"] == "identity")
                }
            }
        }
    }

    @Test func bytesOfAnUnknownKindAreScoredByTheirContent() async throws {
        try await RunningDaemon.run { daemon in
            func score(_ body: [UInt8], _ type: String) async throws -> CurlResponse {
                let file = daemon.directory.file("body")
                try Data(body).write(to: URL(fileURLWithPath: file))
                return try await Curl.send(
                    Endpoint.score, socket: daemon.socket,
                    ["-H", "Content-Type: \(type)", "--data-binary", "@\(file)"])
            }
            let levels = (0..<192).map { UInt8($0) }
            let npy = NPYArray.encode(levels, shape: [3, 8, 8])
            let png = try PNG.encode(Picture(width: 8, height: 8, channels: 3, pixels: levels))
            for (body, type) in [(npy, MediaTypeName.npy), (png, MediaTypeName.png)] {
                let named = try await score(body, type)
                let unnamed = try await score(body, MediaTypeName.bytes)
                #expect(named.status == 200 && unnamed.status == 200 && unnamed.body == named.body, "\(unnamed.text)")
            }
            let neither = try await score(Array("hello".utf8), MediaTypeName.bytes)
            #expect(neither.status == 400 && neither.text.contains("neither a PNG picture nor an NPY array"))
            #expect(try await score(png, "image/jpeg").status == 415)
        }
    }
}
