// What people give pixelcnn to read: standard input, transparent and gray pictures, names that are no text; and what
// they learn from scores.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite(.timeLimit(.minutes(5))) struct InputTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../ImageImportTests/Fixtures").standardized.path
    private static let pngs = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../ImageFormatsTests/Fixtures/png").standardized.path

    private func shell(_ daemon: RunningDaemon, _ script: String) async throws -> CommandResult {
        try await Command.run(
            "/bin/bash", ["-c", "cd '\(daemon.directory.path)' && { \(script)\n}"],
            environment: ["PIXELCNN_SOCKET": daemon.socket, "PATH": "\(Programs.folder):/usr/bin:/bin"])
    }

    private func write(_ bytes: [UInt8], _ name: String, _ daemon: RunningDaemon) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: daemon.directory.file(name)))
    }

    private func bits(_ result: CommandResult) throws -> [Double] {
        #expect(result.status == 0, "\(result.errors)")
        return try JSONCoding.decode(ScoreResponse.self, from: result.output).bitsPerDimension
    }

    @Test(arguments: ["rgb.jpg", "rgb.bmp", "lossless.webp", "rgb.tiff", "deflated.npz"])
    func standardInputIsReadAsAFileIs(name: String) async throws {
        try await RunningDaemon.run { daemon in
            let file = "\(Self.fixtures)/\(name)"
            let named = try bits(try await shell(daemon, "pixelcnn score --json '\(file)'"))
            for words in ["score --json - <'\(file)'", "score - --json < <(cat '\(file)')"] {
                #expect(try bits(try await shell(daemon, "pixelcnn \(words)")) == named)
            }
            guard name != "deflated.npz" else { return }  // of two images
            let completed = try await shell(daemon, "pixelcnn complete '\(file)' --rows 2 --seed 1 -q -o -")
            let piped = try await shell(daemon, "cat '\(file)' | pixelcnn complete - --rows 2 --seed 1 -q -o -")
            #expect(piped.status == 0 && piped.output == completed.output, "\(piped.errors)")
        }
    }

    @Test func standardInputIsReadOnceAndNamedInErrors() async throws {
        try await RunningDaemon.run { daemon in
            for (words, status, message) in [
                ("score - -", SystemExit.usage, "- is given twice"),
                ("complete - --mask -", .usage, "- is given twice"),
                ("score -", .dataError, "standard input: not an image that is read"),
                ("complete - --rows 1", .dataError, "standard input: not an image that is read"),
            ] {
                let result = try await shell(daemon, "echo hello | pixelcnn \(words)")
                #expect(result.status == status.rawValue && result.errors.contains(message), "\(result.errors)")
            }
            let terminal = try PseudoTerminal(
                Programs.client, ["score", "-"], environment: ["PIXELCNN_SOCKET": daemon.socket])
            #expect(await terminal.wait() == SystemExit.usage.rawValue)
            #expect(terminal.output.contains("standard input is a terminal"), "\(terminal.output)")
        }
    }

    // MARK: - Transparent and gray pictures

    @Test func whatLiesBehindATransparentPictureIsTheUsersToSay() async throws {
        try await RunningDaemon.run { daemon in
            for file in ["\(Self.pngs)/bad_rgb_alpha.png", "\(Self.fixtures)/clear.webp"] {
                for words in ["score", "complete --rows 1"] {
                    let result = try await shell(daemon, "pixelcnn \(words) '\(file)'")
                    #expect(result.status == SystemExit.dataError.rawValue, "\(result.errors)")
                    #expect(result.errors.contains("--background COLOUR says what lies behind it"), "\(result.errors)")
                }
                let white = try bits(try await shell(daemon, "pixelcnn score --json '\(file)' --background white"))
                let same = try bits(try await shell(daemon, "pixelcnn score --json '\(file)' --background '#FFF'"))
                let black = try bits(try await shell(daemon, "pixelcnn score --json '\(file)' --background 000000"))
                #expect(white == same && white != black)
                let drawn = try await shell(
                    daemon, "pixelcnn complete '\(file)' --rows 1 -q -o /dev/null --background ff8000")
                #expect(drawn.status == 0, "\(drawn.errors)")
            }
            let wrong = try await shell(daemon, "pixelcnn score x.png --background mauve")
            #expect(wrong.status == SystemExit.usage.rawValue && wrong.errors.contains("'mauve'"), "\(wrong.errors)")
        }
    }

    /// What Pillow's alpha_composite gives: made by hand here, for two pixels.
    @Test func aCompletionKeepsThePictureOnItsBackground() async throws {
        try await RunningDaemon.run { daemon in
            let file = "\(Self.pngs)/bad_rgb_alpha.png"
            let picture = try PNG.decode(
                bytes(ofFile: file), background: #require(Background("ff8000")))
            let rows = picture.height
            let result = try await shell(
                daemon, "pixelcnn complete '\(file)' --rows \(rows) --background ff8000 -q -o kept.png")
            #expect(result.status == 0, "\(result.errors)")
            #expect(try PNG.decode(bytes(ofFile: daemon.directory.file("kept.png"))) == picture)
        }
    }

    @Test func aGrayPictureIsAColourOneWithEqualChannels() async throws {
        try await RunningDaemon.run { daemon in
            let levels = (0..<64).map { UInt8($0 * 3) }
            try write(PNG.encode(Picture(width: 8, height: 8, channels: 1, pixels: levels)), "gray.png", daemon)
            let color = levels.flatMap { [$0, $0, $0] }
            try write(PNG.encode(Picture(width: 8, height: 8, channels: 3, pixels: color)), "rgb.png", daemon)
            let gray = try bits(try await shell(daemon, "pixelcnn score --json gray.png"))
            #expect(try bits(try await shell(daemon, "pixelcnn score --json rgb.png")) == gray)
            for name in ["gray", "rgb"] {
                let result = try await shell(
                    daemon, "pixelcnn complete \(name).png --rows 4 --seed 1 -q -o \(name)-completed.png")
                #expect(result.status == 0, "\(result.errors)")
            }
            #expect(
                try bytes(ofFile: daemon.directory.file("gray-completed.png"))
                    == bytes(ofFile: daemon.directory.file("rgb-completed.png")))
        }
    }

    // MARK: - Names

    @Test func namesThatAreNotUTF8AreRefusedByName() async throws {
        try await RunningDaemon.run { daemon in
            for words in [
                "pixelcnn score $'caf\\xe9.png'", "pixelcnn sample -o $'caf\\xe9.png'",
                "pixelcnnd --check $'caf\\xe9.pt'", "PIXELCNND_MODEL=$'caf\\xe9.pt' pixelcnnd --check",
                "PIXELCNN_SOCKET=$'/tmp/caf\\xe9' pixelcnn status",
            ] {
                let result = try await shell(daemon, words)
                #expect(result.status == SystemExit.usage.rawValue, "\(words): \(result.errors)")
                #expect(result.errors.contains("is not UTF-8: "), "\(result.errors)")
                #expect(result.errors.contains("caf\\xE9"), "\(result.errors)")
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: daemon.directory.path)
            #expect(names == ["d.sock"])
            // A folder of such a name is worked in as in any other.
            let inside = try await shell(
                daemon,
                """
                mkdir $'d\\xe9' && cd $'d\\xe9' && pixelcnn sample -q && pixelcnn score samples.png && ls
                cd .. && rm -r $'d\\xe9'
                """)
            #expect(inside.status == 0 && inside.text.hasSuffix("samples.png\n"), "\(inside.errors)")
        }
    }

    // MARK: - Scores

    private struct Report: Decodable {
        let bits_per_dim: [Double]
        let files: [String]
        let indexes: [Int]
        let labels: [Int]?
        let label_names: [String]?
    }

    @Test func theJSONOfScoresNamesEachImagesFile() async throws {
        try await RunningDaemon.run { daemon in
            _ = try await shell(daemon, "pixelcnn sample -n 2 -q -o two.npy; mkdir f; pixelcnn sample -q -o f/a.png")
            let result = try await shell(daemon, "pixelcnn score --json two.npy f")
            let report = try JSONCoding.decode(Report.self, from: result.output)
            #expect(report.files == ["two.npy", "two.npy", "f/a.png"] && report.indexes == [0, 1, 0])
            #expect(report.bits_per_dim.count == 3 && report.labels == nil)
            let one = try await shell(daemon, "pixelcnn score --json two.npy")
            #expect(try JSONCoding.decode(Report.self, from: one.output).files == ["two.npy", "two.npy"])
        }
    }

    @Test func theLikeliestClassIsTheOneOfTheFewestBits() async throws {
        let model = URL(fileURLWithPath: Programs.model).deletingLastPathComponent()
            .appendingPathComponent("conditional.pt").path
        try await RunningDaemon.run(["--model", model, "--max-images", "2"]) { daemon in
            let names = ["circle", "square", "cross", "star", "stripes"]
            _ = try await shell(daemon, "pixelcnn sample -n 1 --label all -q --seed 3 -o all.npy")
            var each: [[Double]] = []
            for label in names.indices {
                each.append(try bits(try await shell(daemon, "pixelcnn score all.npy --json --label \(label)")))
            }
            let best = (0..<5).map { image in names.indices.min { each[$0][image] < each[$1][image] } ?? 0 }
            let result = try await shell(daemon, "pixelcnn score all.npy --json --label all")
            let report = try JSONCoding.decode(Report.self, from: result.output)
            #expect(report.labels == best && report.label_names == best.map { names[$0] })
            #expect(report.bits_per_dim == best.enumerated().map { each[$1][$0] })
            let table = try await shell(daemon, "pixelcnn score all.npy --label all")
            for (image, label) in best.enumerated() {
                let line = table.text.split(separator: "\n")[image]
                #expect(line.hasSuffix("  \(label) \(names[label])"), "\(line)")
            }
            let both = try await shell(daemon, "pixelcnn score all.npy --label all -o lp.npy")
            #expect(both.status == SystemExit.usage.rawValue, "\(both.errors)")
        }
    }
}
