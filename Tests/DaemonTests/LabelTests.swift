// A conditional model served: the client names classes as a person does, and the daemon draws them.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Support
import Testing

@Suite struct LabelTests {
    /// circle, square, cross, star, stripes.
    private static let model = URL(fileURLWithPath: Programs.model).deletingLastPathComponent()
        .appendingPathComponent("conditional.pt").path

    private func run(_ options: [String] = [], _ body: (RunningDaemon) async throws -> Void) async throws {
        try await RunningDaemon.run(["--model", Self.model] + options, body)
    }

    private func draw(_ daemon: RunningDaemon, _ options: [String]) async throws -> [UInt8] {
        let result = try await daemon.client(
            ["sample", "--seed", "3", "--height", "6", "--width", "5", "--format", "npy", "-o", "-"] + options)
        #expect(result.status == 0, "\(result.errors)")
        return result.output
    }

    @Test func namesTheirBeginningsAndNumbersAreTheSameClass() async throws {
        try await run { daemon in
            let star = try await draw(daemon, ["-n", "2", "--label", "star"])
            for label in ["3", "STA", "Star"] {
                #expect(try await draw(daemon, ["-n", "2", "--label", label]) == star)
            }
            #expect(try await draw(daemon, ["-n", "2", "--label", "stripes"]) != star)
            let json = "{\"n\":2,\"seed\":3,\"height\":6,\"width\":5,\"label\":\"star\"}"
            let curl = try await Curl.send(
                Endpoint.samples, socket: daemon.socket, ["-d", json, "-H", "Accept: application/x-npy"])
            #expect(curl.body == star)
        }
    }

    @Test(arguments: [[], ["--max-images", "2"]])
    func allClassesComeInARowEachWhateverTheParts(options: [String]) async throws {
        try await run(options) { daemon in
            let size = 3 * 3 * 6 * 5
            var classes: [UInt8] = []
            for label in 0..<5 {
                classes += try await self.draw(daemon, ["-n", "3", "--label", "\(label)"]).suffix(size)
            }
            for more in [[], ["--progress"]] {
                let all = try await self.draw(daemon, ["-n", "3", "--label", "all"] + more)
                #expect(Array(all.suffix(5 * size)) == classes)
                let two = try await self.draw(daemon, ["-n", "3", "--label", "stripes", "--label", "1"] + more)
                let (stripes, square) = (classes[(4 * size)...], classes[size..<2 * size])
                #expect(two.suffix(2 * size) == stripes + square)
            }
            let file = daemon.directory.file("all.png")
            let arguments = ["sample", "-n", "3", "--label", "all", "-o", file, "--height", "6", "--width", "5"]
            let drawn = try await daemon.client(arguments)
            #expect(drawn.errors.contains("wrote 3 images per class of seed"), "\(drawn.errors)")
            let png = try bytes(ofFile: file)
            let picture = try PNG.decode(png)
            #expect((picture.width, picture.height) == (15, 30))
            #expect(try PNG.text(of: png).first { $0.key == "PixelCNN-Label" }?.value == "0 1 2 3 4")
            let command = try #require(drawn.errors.components(separatedBy: "draw again with: pixelcnn ").last)
            _ = try await daemon.client(command.split(whereSeparator: \.isWhitespace).map(String.init))
            #expect(try bytes(ofFile: file) == png)
        }
    }

    /// Of the ten classes, a drawn digit's own is mostly the likeliest: the model says of no class what is another's.
    @Test func drawnDigitsAreTheDigitsAskedFor() async throws {
        let digits = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Models/digits8.safetensors").standardized.path
        try await RunningDaemon.run(["--model", digits]) { daemon in
            let images = daemon.directory.file("digits.npy")
            let drawn = try await daemon.client(["sample", "-n", "20", "--seed", "0", "--label", "all", "-o", images])
            #expect(drawn.status == 0, "\(drawn.errors)")
            var bits: [[Double]] = []  // [label][image]
            for label in 0..<10 {
                let scored = try await daemon.client(["score", images, "--json", "--label", "\(label)"])
                try #require(scored.status == 0, "\(scored.errors)")
                bits.append(try JSONCoding.decode(ScoreResponse.self, from: scored.output).bitsPerDimension)
            }
            let recognised = (0..<200).count { image in
                (0..<10).min { bits[$0][image] < bits[$1][image] } == image / 20
            }
            #expect(recognised > 180, "\(recognised) of 200")
        }
    }

    @Test func scoresAreOfTheClass() async throws {
        try await run { daemon in
            let images = daemon.directory.file("images.npy")
            try Data(try await draw(daemon, ["--label", "square"])).write(to: URL(fileURLWithPath: images))
            let named = try await daemon.client(["score", images, "--json", "--label", "sq"])
            let numbered = try await daemon.client(["score", images, "--json", "--label", "1"])
            let other = try await daemon.client(["score", images, "--json", "--label", "0"])
            #expect(named.status == 0 && named.output == numbered.output, "\(named.errors)")
            #expect(other.output != named.output)
            let none = try await daemon.client(["score", images])
            #expect(none.status == SystemExit.usage.rawValue && none.errors.contains("\"circle\", \"square\""))
        }
    }

    @Test(arguments: [
        (
            [],
            "label is missing; allowed is 0…4, or \"circle\", \"square\", \"cross\", \"star\", \"stripes\"; "
                + "name one with --label, or --label all"
        ),
        (["--label", "st"], "\"st\", with which several names begin"), (["--label", "5"], "label is 5"),
        (["--label", "all", "--label", "1"], "--label all stands alone"),
    ])
    func whatIsNoClassIs64AndTheClassesAreNamed(options: [String], message: String) async throws {
        try await run { daemon in
            let result = try await daemon.client(["sample", "-o", daemon.directory.file("x.png")] + options)
            #expect(result.status == SystemExit.usage.rawValue)
            #expect(result.errors.contains(message), "\(result.errors)")
            let model = try await daemon.client(["model"]).text
            #expect(model.contains("5: 0 circle, 1 square, 2 cross, 3 star, 4 stripes"))
        }
    }

    @Test func unconditionalModelsHaveNone() async throws {
        try await RunningDaemon.run { daemon in
            for label in ["0", "all"] {
                let result = try await daemon.client(["sample", "--label", label, "-o", daemon.directory.file("x.png")])
                #expect(result.status == SystemExit.usage.rawValue && result.errors.contains("unconditional"))
            }
        }
    }
}
