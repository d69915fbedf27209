// SIGHUP to a real daemon: files that are the same, another shape, broken, gone; and settings that are read again.

import Foundation
import PixelCNNAPI
import PixelCNNModel
import ServerTestSupport
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(30))) struct ReloadTests {
    /// Waits until a line like this has been logged as often.
    private func logged(_ text: String, _ count: Int = 1, by daemon: RunningDaemon) async -> Bool {
        await eventually { daemon.command.errors.ranges(of: text).count >= count }
    }

    private func draw(_ daemon: RunningDaemon, _ json: String) async throws -> CurlResponse {
        try await Curl.send(
            Endpoint.samples, socket: daemon.socket, ["-H", "Accept: application/x-npy"], json: json)
    }

    @Test func theSameFileGivesTheSameBytes() async throws {
        try await ReplaceableModel.serve { daemon, _ in
            let before = try await draw(daemon, "{\"seed\":7,\"n\":3}")
            for reload in 1...3 {
                daemon.command.signal(SIGHUP)
                #expect(await logged("Reloaded: ", reload, by: daemon))
                let after = try await draw(daemon, "{\"seed\":7,\"n\":3}")
                #expect(after.status == 200 && after.body == before.body)
            }
        }
    }

    @Test func aRequestEndsOnTheOldModelWhileOthersUseTheNew() async throws {
        try await ReplaceableModel.serve { daemon, model in
            // Some seconds' work, where a reload takes a tenth of one.
            let size = "\"seed\":1,\"height\":50,\"width\":50"
            let last = try await draw(daemon, "{\(size),\"first_index\":63}")
            async let running = draw(daemon, "{\(size),\"n\":64}")
            #expect(await eventually { await daemon.status()?.imagesInFlight ?? 0 > 0 })
            try model.replace(with: ReplaceableModel.gray)
            daemon.command.signal(SIGHUP)
            #expect(await logged("Reloaded: ", by: daemon))
            #expect(await daemon.status()?.imagesInFlight == 64)
            #expect(try await daemon.describeModel().channels == 1)
            let new = try await draw(daemon, "{\"seed\":1}")
            #expect(new.status == 200 && new.headers["pixelcnn-model"] != last.headers["pixelcnn-model"])
            let old = try await running
            #expect(old.status == 200 && old.body.suffix(3 * 2500) == last.body.suffix(3 * 2500))
            #expect(old.headers["pixelcnn-model"] == last.headers["pixelcnn-model"])
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test func aBrokenOrMissingFileChangesNothingAndIsNamed() async throws {
        try await ReplaceableModel.serve { daemon, model in
            let before = try await draw(daemon, "{\"seed\":7}")
            try Data("broken".utf8).write(to: URL(fileURLWithPath: model.path), options: .atomic)
            daemon.command.signal(SIGHUP)
            #expect(await logged("The reload failed, and nothing has changed: \(model.path): ", by: daemon))
            try FileManager.default.removeItem(atPath: model.path)
            daemon.command.signal(SIGHUP)
            #expect(await logged("The reload failed, and nothing has changed: ", 2, by: daemon))
            #expect(try await draw(daemon, "{\"seed\":7}").body == before.body)
            var metrics = ""
            #expect(
                await eventually {
                    metrics = (try? await Curl.send(Endpoint.metrics, socket: daemon.socket).text) ?? ""
                    return metrics.contains("pixelcnnd_reloads_total{outcome=\"failed\"} 2\n")
                }, "\(metrics)")
            #expect(metrics.contains("pixelcnnd_reloads_total{outcome=\"done\"} 0\n"))
        }
    }

    @Test func aReloadServesTheCopyThatTheSettingsChoose() async throws {
        let directory = try TemporaryDirectory()
        let settings = directory.file("c.yaml")
        func write(_ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: settings), options: .atomic)
        }
        try write("max_images: 3")
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../PixelCNNModelTests/Fixtures/copies.pt").standardized.path
        try await RunningDaemon.run(["--model", file, "--config", settings, "--threads", "1"]) { daemon in
            let before = try await draw(daemon, "{\"seed\":7}")
            let model = try await daemon.describeModel()
            #expect(model.weights == "model")
            #expect(model.warnings.contains { $0.contains("leaves “ema”") })
            try write("weights: ema")
            daemon.command.signal(SIGHUP)
            #expect(await logged("Reloaded: ", by: daemon))
            let after = try await draw(daemon, "{\"seed\":7}")
            let average = try await daemon.describeModel()
            #expect(average.weights == "ema")
            #expect(average.sha256 != model.sha256)
            #expect(after.status == 200 && after.body != before.body)
            try write("weights: teacher")
            daemon.command.signal(SIGHUP)
            #expect(await logged("nothing has changed: \(file): the file has no weights “teacher”", by: daemon))
            #expect(try await draw(daemon, "{\"seed\":7}").body == after.body)
        }
    }

    @Test func theFileOfSettingsIsReadAgain() async throws {
        let directory = try TemporaryDirectory()
        let settings = directory.file("c.yaml")
        func write(_ text: String) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: settings), options: .atomic)
        }
        try write("max_images: 3")
        try await RunningDaemon.run(["--config", settings]) { daemon in
            #expect(try await draw(daemon, "{\"n\":4}").status == 422)
            try write("max_images: 4\nheight: 5\nclient_timeout: 9\n")
            daemon.command.signal(SIGHUP)
            #expect(await logged("A reload does not change client_timeout; a restart does", by: daemon))
            #expect(try await draw(daemon, "{\"n\":4}").status == 200)
            #expect(try await daemon.describeModel().height == 5)
            try write("max_imagse: 4")
            daemon.command.signal(SIGHUP)
            #expect(await logged("c.yaml:1: unknown setting", by: daemon))
            #expect(try await daemon.describeModel().height == 5)
        }
    }

    /// A kilobyte of YAML whose composition would never end: each key holds the one before it twice.
    @Test func aliasesAreRefusedAndNothingHangs() async throws {
        let directory = try TemporaryDirectory()
        let settings = directory.file("c.yaml")
        try Data("max_images: 3".utf8).write(to: URL(fileURLWithPath: settings))
        try await RunningDaemon.run(["--config", settings]) { daemon in
            let doubled = (1...30).map { "? &a\($0) {? *a\($0 - 1) : 1, ? [*a\($0 - 1)] : 2}\n: 0\n" }
            try Data(("? &a0 {x: y}\n: 0\n" + doubled.joined()).utf8).write(to: URL(fileURLWithPath: settings))
            daemon.command.signal(SIGHUP)
            #expect(await logged("c.yaml:1: aliases (*name), anchors (&name) and tags (!name)", by: daemon))
            try Data("max_images: 4".utf8).write(to: URL(fileURLWithPath: settings))
            daemon.command.signal(SIGHUP)
            #expect(await logged("Reloaded: ", by: daemon))
        }
    }

    /// A pipe that nobody writes to stands for a file of a network that is gone.
    @Test func settingsThatCannotBeReadHangNothing() async throws {
        let directory = try TemporaryDirectory()
        let settings = directory.file("c.yaml")
        try Data("max_images: 3".utf8).write(to: URL(fileURLWithPath: settings))
        try await RunningDaemon.run(["--config", settings]) { daemon in
            try FileManager.default.removeItem(atPath: settings)
            try #require(mkfifo(settings, 0o600) == 0)
            daemon.command.signal(SIGHUP)
            #expect(await logged("nothing has changed: reading the settings has taken more than 10 s", by: daemon))
            daemon.command.signal(SIGHUP)
            #expect(await logged("reading the settings has not ended since it was tried last", by: daemon))
            #expect(try await draw(daemon, "{\"n\":3}").status == 200)
            // Whoever waits for it goes on where the file comes back.
            let writer = try FileHandle(forWritingTo: URL(fileURLWithPath: settings))
            try writer.close()
            #expect(
                await eventually {
                    daemon.command.signal(SIGHUP)
                    return daemon.command.errors.ranges(of: "has taken more than 10 s").count == 2
                })
            daemon.command.signal(SIGHUP)  // the drain does not wait for it
            #expect(await logged("has not ended since it was tried last", 2, by: daemon))
        }
    }

    @Test func aSignalEndsADaemonWhoseSettingsCannotBeRead() async throws {
        let directory = try TemporaryDirectory()
        try #require(mkfifo(directory.file("c.yaml"), 0o600) == 0)
        let command = try Command(Programs.daemon, ["--config", directory.file("c.yaml")])
        // Until its handler is there, the signal ends it in the usual way, too.
        try await Task.sleep(for: .milliseconds(500))
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 128 + SIGTERM)
        let late = try await Command.run(Programs.daemon, ["--config", directory.file("c.yaml")])
        #expect(late.status == 66 && late.errors.contains("reading the settings has taken more than 10 s"))
    }

    /// As `cp new.pt model.pt` beside a reload does it.
    @Test func aFileThatIsCutShortInPlaceIsNoEnd() async throws {
        try await ReplaceableModel.serve { daemon, model in
            let before = try await draw(daemon, "{\"seed\":7}")
            let bytes = try Data(contentsOf: URL(fileURLWithPath: Programs.model))
            func isOver() -> Bool { daemon.command.errors.ranges(of: "Reloading\n").count >= 40 }
            while !isOver(), daemon.command.isRunning {
                daemon.command.signal(SIGHUP)
                for size in [0, bytes.count / 2, bytes.count] {
                    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: model.path))
                    try file.truncate(atOffset: 0)
                    try file.write(contentsOf: bytes.prefix(size))
                    try file.close()
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            #expect(daemon.command.isRunning)
            #expect(try await draw(daemon, "{\"seed\":7}").body == before.body)
        }
    }

    @Test func theOldModelLeavesMemory() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("published.safetensors")
        let hyperparameters = try Hyperparameters()
        try Model.random(hyperparameters, seed: 1).writeSafetensors(to: path)
        try await RunningDaemon.run(["--model", path, "--threads", "1", "--log-level", "debug"]) { daemon in
            func reload(_ count: Int) async throws {
                daemon.command.signal(SIGHUP)
                #expect(await logged("The previous model has ended", count, by: daemon))
            }
            let before = try daemon.residentBytes()
            for count in 1...4 { try await reload(count) }
            // Less than one model's weights more, once they have been given back.
            let most = before + hyperparameters.parameterCount * MemoryLayout<Float>.size
            #expect(await eventually { (try? daemon.residentBytes()) ?? .max < most }, "\(before)")
        }
    }

    @Test func signalsDuringAReloadMakeOneMore() async throws {
        try await ReplaceableModel.serve { daemon, _ in
            for _ in 0..<50 { daemon.command.signal(SIGHUP) }
            #expect(await logged("Reloaded: ", by: daemon))
            let response = try await draw(daemon, "{}")
            #expect(response.status == 200)
            #expect(daemon.command.errors.ranges(of: "Reloaded: ").count < 50)
        }
    }

    @Test func aSignalWhileTheModelLoadsIsNoEnd() async throws {
        let directory = try TemporaryDirectory()
        let command = try Command(
            Programs.daemon, ["--model", Programs.model, "--socket", directory.file("s"), "--log-level", "debug"])
        let signals = Task {
            while !Task.isCancelled {
                // Before its main has begun nothing can be trapped.
                if command.errors.contains("Loaded") { command.signal(SIGHUP) }
                try? await Task.sleep(for: .milliseconds(2))
            }
        }
        #expect(await eventually { command.errors.contains("Reloaded: ") })
        signals.cancel()
        command.signal(SIGTERM)
        #expect(try await command.wait().status == 0)
    }

    @Test func aShutdownDuringReloadsIsClean() async throws {
        for _ in 0..<5 {
            let daemon = try await RunningDaemon.start(in: nil, ["--threads", "2"])
            for _ in 0..<3 {
                daemon.command.signal(SIGHUP)
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<20)))
            }
            #expect(try await daemon.stop().status == 0)
        }
    }

    @Test(.enabled(if: PrometheusClient.isAvailable, Comment(rawValue: PrometheusClient.absence)))
    func countersGrowOverReloadsAndTheModelIsShown() async throws {
        try await ReplaceableModel.serve { daemon, model in
            func counters() async throws -> [String: Double] {
                let text = try await Curl.send(Endpoint.metrics, socket: daemon.socket).text
                return Dictionary(
                    try PrometheusClient.parse(text).filter { $0.hasPrefix("counter ") }.map { line in
                        let space = line.lastIndex(of: " ") ?? line.startIndex
                        return (String(line[..<space]), Double(line[line.index(after: space)...]) ?? .nan)
                    }
                ) { $1 }
            }
            _ = try await draw(daemon, "{\"n\":9}")
            var before = try await counters()
            for (reload, file) in [ReplaceableModel.gray, Programs.model, ReplaceableModel.gray].enumerated() {
                try model.replace(with: file)
                daemon.command.signal(SIGHUP)
                #expect(await logged("Reloaded: ", reload + 1, by: daemon))
                let after = try await counters()
                for (name, value) in before { #expect(after[name] ?? -1 >= value, "\(name)") }
                before = after
            }
            #expect(before["counter pixelcnnd_images_completed_total {}"] ?? 0 >= 9)
            let infos = try await Curl.send(Endpoint.metrics, socket: daemon.socket).text
                .split(separator: "\n").filter { $0.hasPrefix("pixelcnn_model_info{") }
            #expect(infos.count == 1 && infos[0].contains("channels=\"1\""))
        }
    }
}
