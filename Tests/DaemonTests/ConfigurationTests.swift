// The daemon's settings from three places, and the limits that they set.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@testable import pixelcnnd

@Suite struct ConfigurationTests {
    private func settings(
        _ file: String?, _ arguments: [String] = [], _ environment: [String: String] = [:]
    ) throws -> Settings {
        let directory = try TemporaryDirectory()
        let path = directory.file("c.yaml")
        if let file { try Data(file.utf8).write(to: URL(fileURLWithPath: path)) }
        let options = try DaemonOptions.parse(arguments + (file == nil ? [] : ["--config", path]))
        return try Settings(options: options, environment: environment)
    }

    @Test func theCommandLineWinsOverTheEnvironmentAndThatOverTheFile() throws {
        let file = "max_images: 1\nmax_side: 2\nmax_queue: 3\nmodel: /m.pt # a comment\nlog_level: debug\n"
        let environment = ["PIXELCNND_MAX_IMAGES": "10", "PIXELCNND_MAX_SIDE": "20", "PIXELCNND_MAX_QUEUE": ""]
        let settings = try self.settings(file, ["--max-images", "100"], environment)
        #expect(settings.limits.maximumImages == 100)
        #expect(settings.limits.maximumSide == 20)
        #expect(settings.maxQueue == 3)
        #expect((settings.model, settings.logLevel) == ("/m.pt", .debug))
        #expect(settings.limits.maximumValues == RequestLimits().maximumValues)
    }

    @Test func jsonAndYAMLSayTheSame() throws {
        let yaml = try settings("# two\nthreads: 2\nheight: 16\nclient_timeout: 5\n")
        let json = try settings("{\n\t\"threads\": 2, \"height\": 16,\n\t\"client_timeout\": 5\n}\n")
        #expect(yaml == json)
        #expect((json.threads, json.height, json.clientTimeout) == (2, 16, 5))
    }

    @Test func everySettingMayStandInTheFile() throws {
        let help = DaemonCommand.helpMessage(columns: 200)
        let names = help.matches(of: /--([a-z-]+) </).map { String($0.output.1) }
        let options = Set(names.map { $0.replacingOccurrences(of: "-", with: "_") })
        #expect(options.symmetricDifference(SettingTable.all.map(\.name)) == ["config"])
        let settings = try self.settings("max_request_memory: 2097152\nmax_row_caches: 3145728\n")
        #expect((settings.maxRequestMemory, settings.maxRowCaches) == (2 << 20, 3 << 20))
    }

    @Test func theEnvironmentMayNameTheFile() throws {
        let directory = try TemporaryDirectory()
        try Data("max_body: 2048".utf8).write(to: URL(fileURLWithPath: directory.file("c.json")))
        let settings = try Settings(
            options: DaemonOptions.parse([]), environment: ["PIXELCNND_CONFIG": directory.file("c.json")])
        #expect(settings.limits.maximumBodyBytes == 2048)
    }

    @Test(arguments: ["", "# nothing\n", "---\n", "{}"])
    func aFileOfNothingSetsNothing(text: String) throws {
        let defaults = try settings(nil)
        #expect(try settings(text) == defaults)
    }

    /// Where nesting ends depends on libyaml's version; that it is an error does not.
    @Test func depthAndSizeEndAtOnce() throws {
        let many = 100_000
        for text in ["[", "threads: {a: ", "threads: [", "{a: "].map({ String(repeating: $0, count: many) }) {
            #expect(throws: Failure.self) { try settings(text) }
        }
        let large = #expect(throws: Failure.self) {
            try settings("threads: 2\n" + String(repeating: "#", count: 1 << 20))
        }
        #expect(large?.status == .configuration && large?.message.contains(" has more than 1048576 bytes") == true)
    }

    @Test func aFileThatIsNoTextIs66() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("c.yaml")
        try Data([0x74, 0xff, 0x3a]).write(to: URL(fileURLWithPath: path))
        let failure = #expect(throws: Failure.self) { try ConfigurationFile(path: path, knownKeys: []) }
        #expect(failure == Failure(.noInput, "cannot read \(path): it is not a text file"))
    }

    @Test(arguments: [
        ("threads: 1\nmax_imagse: 3\n", "c.yaml:2: unknown setting \"max_imagse\"; known are model, weights, socket"),
        ("max_images: 0\n", "c.yaml:1: max_images is \"0\"; allowed is 1…1000000"),
        ("\nthreads: many", "c.yaml:2: threads is \"many\"; allowed is 1…1024"),
        ("threads: 0x10", "c.yaml:1: threads is \"0x10\""), ("threads:", "c.yaml:1: threads must have a plain value"),
        ("threads: [1]", "c.yaml:1: threads must have a plain value"), ("- threads", "must be a mapping"),
        ("threads: 1\nthreads: 2", "given twice: threads"), ("threads: \"1", "neither YAML nor JSON: line"),
        ("log_level: loud", "c.yaml:1: log_level is \"loud\"; allowed is trace, debug"),
        ("threads: &a 1", "c.yaml:1: aliases (*name), anchors (&name) and tags"), ("a: *b", "unknown setting \"a\""),
        ("threads: *b", "c.yaml:1: aliases (*name)"), ("threads: !!int 1", "c.yaml:1: aliases (*name)"),
        ("!x threads: 1", "c.yaml:1: aliases (*name)"), ("&a {threads: 1}", "c.yaml:1: aliases (*name)"),
        ("threads: 1\n? [a, b]\n: 2", "c.yaml:2: the name of a setting must be plain text"),
        ("{? {a: b} : 1}", "c.yaml:1: the name of a setting must be plain text"),
        ("threads: 1\n---\nthreads: 2", "c.yaml:2: there may be one document only"),
    ])
    func aWrongFileIs78AndSaysWhere(text: String, message: String) throws {
        let failure = #expect(throws: Failure.self) { try settings(text) }
        #expect(failure?.status == .configuration)
        #expect(failure?.message.contains(message) == true, "\(failure?.message ?? "")")
    }

    @Test func checkTakesTheFileIntoAccount() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("c.yaml")
        let check = { (text: String) async throws -> CommandResult in
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            return try await Command.run(Programs.daemon, ["--check", "--model", Programs.model, "--config", path])
        }
        #expect(try await check("max_side: 8").status == 0)
        let unknown = try await check("maxside: 8")
        #expect(unknown.status == SystemExit.configuration.rawValue)
        #expect(unknown.errors.contains("\(path):1: unknown setting \"maxside\""))
        let small = try await check("max_side: 7")
        #expect(small.status == SystemExit.usage.rawValue)
        #expect(small.errors.contains("height is 8; allowed is 1…7"))
        let missing = try await Command.run(Programs.daemon, ["--check", "--config", directory.file("none")])
        #expect(missing.status == SystemExit.noInput.rawValue)
    }
}

@Suite struct LimitTests {
    @Test func limitsAreToldAndHeld() async throws {
        let limits = ["--max-images", "5", "--max-side", "20", "--max-values", "6000", "--max-body", "3000"]
        try await RunningDaemon.run(limits) { daemon in
            let reported = RequestLimits(
                maximumImages: 5, maximumSide: 20, maximumValues: 6000, maximumBodyBytes: 3000)
            let limits = try await daemon.describeModel().limits
            #expect(limits == reported)
            for (json, status) in [
                ("{\"n\":5}", 200), ("{\"n\":6}", 422), ("{\"height\":21}", 422),
                ("{\"n\":5,\"height\":20,\"width\":20}", 200), ("{\"n\":5,\"height\":20,\"width\":21}", 422),
                ("{\"n\":1\(String(repeating: " ", count: 3000))}", 413),
            ] {
                let response = try await Curl.send(Endpoint.samples, socket: daemon.socket, json: json)
                #expect(response.status == status, "\(json)")
            }
        }
    }

    @Test func refusalsDoNotWaitForWhatIsComputed() async throws {
        try await RunningDaemon.run(["--max-queue", "1", "--max-body", "2000"]) { daemon in
            let large = try Command(
                Programs.client, ["sample", "-n", "400", "--height", "300", "--width", "300", "-q", "-o", "-"],
                environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(await eventually { await daemon.status()?.imagesQueued ?? 0 > 0 })
            let long = "{\"n\":1\(String(repeating: " ", count: 3000))}"
            // What the head says is decided by it; what the body says is not read while there is no room.
            for (json, status) in [("{}", 429), ("{\"n\":0}", 429), (long, 413)] {
                for accept in ["image/png", "text/event-stream"] {
                    let response = try await Curl.send(
                        Endpoint.samples, socket: daemon.socket, ["-H", "Accept: \(accept)"], json: json)
                    #expect(response.status == status)
                    if status == 429 { #expect((Int(response.headers["retry-after"] ?? "") ?? 0) > 0) }
                }
            }
            #expect(await daemon.status()?.imagesQueued ?? 0 > 0)
            large.signal(SIGKILL)
            _ = try await large.wait()
        }
    }

    @Test func aHeadThatIsTooLargeIs431AndAnEndlessBody413() async throws {
        try await RunningDaemon.run(["--max-body", "100000"]) { daemon in
            let field = "X-Long: " + String(repeating: "x", count: 20_000)
            let head = try await Curl.send(Endpoint.health, socket: daemon.socket, ["-H", field])
            #expect(head.status == 431 && head.headers["connection"] == "close")
            #expect(try JSONCoding.decode(Problem.self, from: head.body).status == 431)
            // curl ends when the daemon hangs up: neither ends by itself.
            let endless = try await Command.run(
                "/bin/sh",
                [
                    "-c",
                    "yes | curl -s --max-time \(testTimeout.components.seconds) --unix-socket \(daemon.socket) "
                        + "-H 'Content-Type: application/json' -H 'Expect:' -X POST -T - -w '%{http_code}' "
                        + "-o /dev/null http://x/v1/samples",
                ])
            #expect(endless.text == "413", "\(endless.status)")
        }
    }

    @Test func aHeadThatNeverEndsIsHungUpOn() async throws {
        try await RunningDaemon.run(["--client-timeout", "1"]) { daemon in
            let slow = try SilentClient(daemon.socket, sending: "GET /healthz HTTP/1.1\r\n")
            #expect(await eventually { slow.isHungUpOn })
        }
    }
}
