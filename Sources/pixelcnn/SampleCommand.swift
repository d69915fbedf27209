// `pixelcnn sample`: draws images. What it says on standard error is enough to draw the same ones again.

import ArgumentParser
import Foundation
import PixelCNNAPI

struct SampleCommand: AsyncParsableCommand {
    typealias Format = SampleRequest.ImageFormat

    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draws images.",
        discussion: """
            On a terminal a bar shows how far it is; --preview shows the pictures, too. What the daemon takes in one \
            request is no limit: more images are asked for in parts.

            EXAMPLES
              pixelcnn sample -n 36 --seed 0 --columns 6 -o grid.png
              pixelcnn sample -n 1000 --seed 7 -o samples.npy
              pixelcnn sample --seed 0 --first-index 17 -o seventeenth.png
              pixelcnn sample --temperature 0.9 --top-k 64 -o - | display
              pixelcnn sample -n 6 --preview
              pixelcnn sample -n 4 --label flags -o flags.png
              pixelcnn sample -n 9 --label all -o grid.png
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

    @Option(
        help: ArgumentHelp(
            """
            The class, where the model has classes: its number, its name, or how the name begins. Several times for n \
            images each, a row a class; all for all classes.
            """, valueName: "class"))
    var label: [String] = []

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

    @Flag(help: "Show how far it is, also where standard error is no terminal.")
    var progress = false

    @Flag(help: "Show the pictures in the terminal as they come.")
    var preview = false

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
    var quiet = false

    @Option(help: ArgumentHelp("Give up after as long.", valueName: "seconds"))
    var deadline: Double?

    @OptionGroup
    var patience: PatienceOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        if self.quiet, self.progress { throw ValidationError("--quiet and --progress exclude each other") }
        if let deadline, !(0.001...86_400 ~= deadline) {
            throw ValidationError("--deadline is \(deadline); allowed is 0.001…86400")
        }
    }

    func run() async throws {
        try await Failure.reporting {
            let format = Self.format(self.format, output: self.output)
            let output = self.output ?? "samples.\(format.rawValue)"
            try Output.check(output)
            let seed = self.seed ?? SampleRequest.drawSeed()
            let deadline = self.deadline.map { ContinuousClock.now + .seconds($0) }
            let wantsPreview = self.mayPreview()
            let drawing = Drawing(
                client: try self.connection.client(), request: self.request(seed: seed), labels: self.label, seed: seed,
                format: format, output: output, style: self.style(wantsPreview: wantsPreview),
                wantsPreview: wantsPreview,
                isQuiet: self.quiet, patience: self.patience.patience(until: deadline), deadline: deadline)
            try await Interruption.cancelling(drawing.run)
            if self.quiet { return }
            let each = self.label.count > 1 || self.label == [Drawing.allClasses] ? " a class" : ""
            say("wrote \(Self.count(self.n))\(each) of seed \(seed) to \(output == "-" ? "standard output" : output)")
            if self.seed == nil { say("draw again with: \(self.command(seed: seed))") }
        }
    }

    private func style(wantsPreview: Bool) -> DrawingDisplay.Style {
        if Terminal.isCapable(), !self.quiet || wantsPreview { return .live(bar: !self.quiet) }
        return self.progress ? .lines : .silent
    }

    /// Whether pictures are wanted and the terminal can show them; where there is one that cannot, a line says why.
    private func mayPreview() -> Bool {
        guard self.preview, isatty(STDERR_FILENO) == 1 else { return false }
        let environment = ProcessInfo.processInfo.environment
        if environment["NO_COLOR"]?.isEmpty == false {
            say("no preview: NO_COLOR is set")
        } else if !Terminal.isCapable() {
            say("no preview: the terminal (TERM=\(environment["TERM"] ?? "")) cannot redraw")
        } else {
            return true
        }
        return false
    }

    func request(seed: UInt64) -> SampleRequest {
        SampleRequest(
            n: self.n, seed: seed, firstIndex: self.firstIndex, height: self.height, width: self.width,
            temperature: self.temperature, topK: self.topK, topP: self.topP, columns: self.columns)
    }

    /// What is asked for, else what the output's name says, else PNG.
    static func format(_ format: Format?, output: String?) -> Format {
        if let format { return format }
        return output?.lowercased().hasSuffix(".npy") == true ? .npy : .png
    }

    private static func count(_ n: Int) -> String { n == 1 ? "1 image" : "\(n) images" }

    /// A word as a shell takes it.
    private static func word(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
                    || byte >= 0x80
            }
        return isPlain ? text : "'\(text.unicodeScalars.map { $0 == "'" ? #"'\''"# : String($0) }.joined())'"
    }

    /// The command that draws the same images.
    func command(seed: UInt64) -> String {
        var words = ["pixelcnn sample -n \(self.n) --seed \(seed)"]
        if self.firstIndex != 0 { words.append("--first-index \(self.firstIndex)") }
        if let columns { words.append("--columns \(columns)") }
        if let height { words.append("--height \(height)") }
        if let width { words.append("--width \(width)") }
        for label in self.label { words.append("--label \(Self.word(label))") }
        if self.temperature != 1 { words.append("--temperature \(self.temperature)") }
        if let topK { words.append("--top-k \(topK)") }
        if let topP { words.append("--top-p \(topP)") }
        if let format { words.append("--format \(format.rawValue)") }
        if let output { words.append("-o \(output)") }
        return words.joined(separator: " ")
    }
}

extension SampleRequest.ImageFormat: ExpressibleByArgument {}
