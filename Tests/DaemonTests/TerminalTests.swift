// pixelcnn sample and status on a terminal: the bar, the pictures, and a terminal left as it was found.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@Suite(.serialized) struct TerminalTests {
    private func environment(_ daemon: RunningDaemon, _ more: [String: String] = [:]) -> [String: String] {
        ["PIXELCNN_SOCKET": daemon.socket, "TERM": "xterm-256color"].merging(more) { $1 }
    }

    @Test(arguments: ["png", "npy"])
    func aBarIsShownAndTheFileIsTheSame(format: String) async throws {
        try await RunningDaemon.run { daemon in
            let (plain, shown) = (daemon.directory.file("plain"), daemon.directory.file("shown"))
            let arguments = ["sample", "-n", "3", "--seed", "7", "--columns", "2", "--format", format, "-o"]
            #expect(try await daemon.client(arguments + [plain]).errors.components(separatedBy: "\n").count == 2)
            let terminal = try PseudoTerminal(
                Programs.client, arguments + [shown], environment: environment(daemon))
            #expect(await terminal.wait() == 0, "\(terminal.output)")
            let expected = try bytes(ofFile: plain)
            #expect(try bytes(ofFile: shown) == expected)
            #expect(terminal.output.contains("/3 images"))
            let screen = TerminalScreen(terminal.output)
            #expect(screen.isCursorVisible)
            #expect(screen.text.joined(separator: "|") == "pixelcnn: wrote 3 images of seed 7 to \(shown)|")
        }
    }

    @Test func theBarTellsImagesPercentRateAndRest() async throws {
        try await RunningDaemon.run { daemon in
            let terminal = try PseudoTerminal(
                Programs.client,
                ["sample", "-n", "20", "--height", "150", "--width", "150", "-o", daemon.directory.file("x.npy")],
                environment: environment(daemon), columns: 72)
            #expect(await eventually { terminal.output.contains("ETA") })
            let line = try #require(TerminalScreen(terminal.output).text.last { $0.contains("ETA") })
            #expect(
                line.wholeMatch(of: /\d+\/20 images  \[=*>? *\]  \d+%  [\d.]+ images\/s  ETA [\d:]+/) != nil, "\(line)")
            #expect(line.count < 72)
            terminal.signal(SIGINT)
            #expect(await terminal.wait() == 130)
        }
    }

    @Test(arguments: [["--preview"], ["--preview", "--quiet"]])
    func thePicturesOnTheScreenAreThoseInTheFile(options: [String]) async throws {
        try await RunningDaemon.run { daemon in
            let file = daemon.directory.file("p.npy")
            // Five pictures of 7 rows, three of them side by side; the last line of cells is half empty.
            let terminal = try PseudoTerminal(
                Programs.client,
                ["sample", "-n", "5", "--seed", "3", "--height", "7", "--width", "9", "-o", file] + options,
                environment: environment(daemon), rows: 40, columns: 30)
            #expect(await terminal.wait() == 0, "\(terminal.output)")
            let values = try NPYArray(parsing: bytes(ofFile: file)).integers(as: UInt16.self, in: 0...255)
            let lines = TerminalScreen(terminal.output).lines
            for image in 0..<5 {
                let (top, left) = (image / 3 * 5, image % 3 * 10)
                for row in 0..<7 {
                    for column in 0..<9 {
                        let place = image * 189 + row * 9 + column
                        let color = "\(values[place]);\(values[place + 63]);\(values[place + 126])"
                        let cell = lines[top + row / 2][left + column]
                        #expect(cell.character == "▀")
                        #expect((row % 2 == 0 ? cell.foreground : cell.background) == color)
                    }
                }
            }
        }
    }

    @Test func noPreviewWhereColoursAreNotWantedOrCannotBe() async throws {
        try await RunningDaemon.run { daemon in
            let arguments = ["sample", "--preview", "-o", daemon.directory.file("x.png")]
            for (more, line) in [(["NO_COLOR": "1"], "NO_COLOR is set"), (["TERM": "dumb"], "TERM=dumb")] {
                let terminal = try PseudoTerminal(
                    Programs.client, arguments, environment: environment(daemon, more))
                #expect(await terminal.wait() == 0)
                #expect(terminal.output.contains("no preview: ") && terminal.output.contains(line))
                #expect(!terminal.output.contains("▀"))
            }
            let small = try PseudoTerminal(
                Programs.client, arguments, environment: environment(daemon), rows: 4, columns: 80)
            #expect(await small.wait() == 0)
            #expect(small.output.contains("no preview: a picture needs 8 columns and 6 lines"), "\(small.output)")
            let piped = try await daemon.client(arguments)
            #expect(piped.status == 0 && piped.errors.hasPrefix("pixelcnn: wrote"))
        }
    }

    @Test func aDumbTerminalAndAPipeGetNoEscapes() async throws {
        try await RunningDaemon.run { daemon in
            let arguments = ["sample", "-o", daemon.directory.file("x.png")]
            let dumb = try PseudoTerminal(
                Programs.client, arguments, environment: environment(daemon, ["TERM": "dumb"]))
            #expect(await dumb.wait() == 0)
            #expect(!dumb.output.contains("\u{1B}"))
            let forced = try await daemon.client(arguments + ["--progress"])
            #expect(forced.errors.contains("0/1 images  waiting\n") && !forced.errors.contains("\u{1B}"))
            let quiet = try await daemon.client(arguments + ["--quiet"])
            #expect((quiet.status, quiet.errors) == (0, ""))
        }
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func aSignalLeavesTheTerminalSaneAndNoFile(signal: Int32) async throws {
        try await RunningDaemon.run { daemon in
            let folder = try TemporaryDirectory()
            let terminal = try PseudoTerminal(
                Programs.client,
                ["sample", "-n", "20", "--height", "200", "--width", "60", "--preview", "-o", folder.file("x.png")],
                environment: environment(daemon), rows: 110, columns: 70)
            #expect(await eventually { terminal.output.contains("▀") })
            terminal.signal(signal)
            #expect(await terminal.wait() == 128 + signal)
            let screen = TerminalScreen(terminal.output)
            #expect(screen.isCursorVisible)
            #expect(screen.text.allSatisfy { $0.isEmpty }, "\(screen.text)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test func statusIsWatchedInPlace() async throws {
        try await RunningDaemon.run { daemon in
            let terminal = try PseudoTerminal(
                Programs.client, ["status", "--watch"], environment: environment(daemon))
            #expect(await eventually { terminal.output.components(separatedBy: "ready").count > 2 })
            terminal.signal(SIGINT)
            #expect(await terminal.wait() == 130)
            let screen = TerminalScreen(terminal.output)
            #expect(screen.isCursorVisible)
            #expect(screen.text.count { $0.hasPrefix("state") } == 1)
        }
    }
}
