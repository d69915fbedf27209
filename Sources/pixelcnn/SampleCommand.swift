// `pixelcnn sample`: draws images. What it says on standard error is enough to draw the same ones again.

import ArgumentParser
import Foundation
import PixelCNNAPI

struct SampleCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case png, npy

        var mediaType: String { self == .png ? MediaTypeName.png : MediaTypeName.npy }
    }

    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draws images.",
        discussion: """
            EXAMPLES
              pixelcnn sample -n 36 --seed 0 --columns 6 -o grid.png
              pixelcnn sample -n 1000 --seed 7 -o samples.npy
              pixelcnn sample --seed 0 --first-index 17 -o seventeenth.png
              pixelcnn sample --temperature 0.9 --top-k 64 -o - | display
            """
    )

    @Option(name: .short, help: ArgumentHelp("Number of images.", valueName: "n"))
    var n = 1

    @Option(help: "The seed, below 2⁶⁴; drawn at random by default.")
    var seed: UInt64?

    @Option(help: ArgumentHelp("Index of the first image under the seed.", valueName: "index"))
    var firstIndex: UInt64 = 0

    @Option(help: ArgumentHelp("Images in a row of the PNG; ⌈√n⌉ by default.", valueName: "n"))
    var columns: Int?

    @Option(help: "Rows of an image; the model's by default.")
    var height: Int?

    @Option(help: "Columns of an image; the model's by default.")
    var width: Int?

    @Option(help: ArgumentHelp("0 (most probable values), or 0.01…100.", valueName: "t"))
    var temperature = 1.0

    @Option(help: ArgumentHelp("Draw from the k most probable values only.", valueName: "k"))
    var topK: Int?

    @Option(help: ArgumentHelp("Draw from the most probable values that sum to p only.", valueName: "p"))
    var topP: Double?

    @Option(help: "png or npy; by the ending of the output by default, else png.")
    var format: Format?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to write, - for standard output; samples.png or .npy by default.", valueName: "file"))
    var output: String?

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            let format = Self.format(self.format, output: self.output)
            let output = self.output ?? "samples.\(format.rawValue)"
            try Output.check(output)
            let answer = try await self.connection.client().send(
                .POST, Endpoint.samples, accept: format.mediaType, contentType: MediaTypeName.json,
                body: self.request.json)
            try Output.write(answer.body, to: output)
            let seed = answer.headers.first(name: HeaderName.seed) ?? "unknown"
            say("wrote \(Self.count(self.n)) of seed \(seed) to \(output == "-" ? "standard output" : output)")
            if self.seed == nil, let seed = UInt64(seed) { say("draw again with: \(self.command(seed: seed))") }
        }
    }

    var request: SampleRequest {
        SampleRequest(
            n: self.n, seed: self.seed, firstIndex: self.firstIndex, height: self.height, width: self.width,
            temperature: self.temperature, topK: self.topK, topP: self.topP, columns: self.columns)
    }

    /// What is asked for, else what the output's name says, else PNG.
    static func format(_ format: Format?, output: String?) -> Format {
        if let format { return format }
        return output?.lowercased().hasSuffix(".npy") == true ? .npy : .png
    }

    private static func count(_ n: Int) -> String { n == 1 ? "1 image" : "\(n) images" }

    /// The command that draws the same images.
    func command(seed: UInt64) -> String {
        var words = ["pixelcnn sample -n \(self.n) --seed \(seed)"]
        if self.firstIndex != 0 { words.append("--first-index \(self.firstIndex)") }
        if let columns { words.append("--columns \(columns)") }
        if let height { words.append("--height \(height)") }
        if let width { words.append("--width \(width)") }
        if self.temperature != 1 { words.append("--temperature \(self.temperature)") }
        if let topK { words.append("--top-k \(topK)") }
        if let topP { words.append("--top-p \(topP)") }
        if let format { words.append("--format \(format.rawValue)") }
        if let output { words.append("-o \(output)") }
        return words.joined(separator: " ")
    }
}
