// Options of the subcommands that sample, and the run that they start. What it reports on standard error is enough to
// draw the same images again.

import ArgumentParser
import Foundation
import PixelCNNAPI
import Support

struct SampleOptions: ParsableArguments {
    typealias Format = SampleRequest.ImageFormat

    @Option(name: .short, parsing: .unconditional, help: ArgumentHelp("Number of images.", valueName: "n"))
    var n = 1

    @Option(parsing: .unconditional, help: "The seed, below 2⁶⁴; drawn at random by default.")
    var seed: UInt64?

    @Option(parsing: .unconditional, help: ArgumentHelp("Index of the first image under the seed.", valueName: "index"))
    var firstIndex: UInt64 = 0

    @Option(parsing: .unconditional, help: ArgumentHelp("Images per row of the PNG; ⌈√n⌉ by default.", valueName: "n"))
    var columns: Int?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            The class, if the model has classes: its number, its name, or the beginning of its name. Given several \
            times, n images of each class, one row per class; all stands for all classes.
            """, valueName: "class"),
        completion: .classes(and: [ModelDescription.allClasses]))
    var label: [String] = []

    @Option(parsing: .unconditional, help: ArgumentHelp("0 (most probable values), or 0.01…100.", valueName: "t"))
    var temperature = 1.0

    @Option(parsing: .unconditional, help: ArgumentHelp("Draw only from the k most probable values.", valueName: "k"))
    var topK: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw only from the most probable values that sum to p.", valueName: "p"))
    var topP: Double?

    @Option(help: "png, npy or npz; by default as the output's name ends, else png, or npy with --output-dir.")
    var format: Format?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            """
            Where to write, - for standard output; samples.png or .npy by default, or samples-2.png and so on if that \
            exists.
            """, valueName: "file"),
        completion: .file(extensions: ["png", "npy", "npz"]))
    var output: String?

    @Flag(help: "Print JSON: the seed, the first index, the files and their SHA-256.")
    var json = false

    @OptionGroup
    var progress: ProgressOptions

    @Flag(help: "Show the pictures in the terminal while they are drawn.")
    var preview = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Give up after this time.", valueName: "seconds"))
    var deadline: Double?

    @OptionGroup
    var retries: RetryOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        guard n >= 1 else { throw ValidationError("-n is \(n); allowed is 1 or more") }
        if json, output == "-" {
            throw ValidationError("--json and -o - exclude each other: both take standard output")
        }
        if let deadline, !(0.001...86_400 ~= deadline) {
            throw ValidationError("--deadline is \(deadline); allowed is 0.001…86400")
        }
    }

    /// Samples images, and reports how to draw them again: `command` is the subcommand with the options that are its
    /// own.
    ///
    /// - Parameters:
    ///   - height: rows of an image, the model's where nil.
    ///   - width: columns of an image, the model's where nil.
    ///   - given: reads what the images start with, which has a size of its own.
    func run(
        _ command: [String], height: Int? = nil, width: Int? = nil,
        given: () throws(Failure) -> GivenPicture? = { () throws(Failure) in nil }
    ) async throws {
        try await Failure.reporting {
            let format = try Self.format(self.format, output: self.output)
            let output = OutputPlace(self.output, else: "samples", ending: format.rawValue)
            try output.check()
            if format == .npz { try NPZOutput.check(output) }
            let seed = self.seed ?? SampleRequest.drawSeed()
            let deadline = self.deadline.map { ContinuousClock.now + .seconds($0) }
            let wantsPreview = mayPreview()
            var request = self.request(seed: seed)
            request.height = height
            request.width = width
            request.wantsLogProbabilities = format == .npz
            let picture = try given()
            picture?.give(to: &request)
            try output.check(reading: picture?.files ?? [])
            let run = SampleRun(
                client: try connection.client(startWait: retries.startWait), request: request, given: picture,
                labels: label, seed: seed, format: format, output: output,
                style: progress.style(wantsPreview: wantsPreview), wantsPreview: wantsPreview,
                isQuiet: progress.quiet, retries: retries.policy(until: deadline), deadline: deadline)
            let drawn = try await Interruption.cancelling(run.run)
            if json { try drawn.print() }
            if progress.quiet { return }
            let each = label.count > 1 || label == [ModelDescription.allClasses] ? " per class" : ""
            let (file, taken) = (drawn.files[0].path, drawn.taken.map { ", as \($0) exists" } ?? "")
            say("wrote \(Self.count(n))\(each) of seed \(seed) to \(file)\(taken)")
            if self.seed == nil {
                say("draw again with: \((["pixelcnn"] + command + words(seed: seed)).joined(separator: " "))")
            }
        }
    }

    /// Whether pictures are wanted and the terminal can show them; where there is one that cannot, a line says why.
    private func mayPreview() -> Bool {
        guard preview, isatty(STDERR_FILENO) == 1 else { return false }
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

    func request(seed: UInt64?) -> SampleRequest {
        var request = SampleRequest()
        request.n = n
        request.seed = seed
        request.firstIndex = firstIndex
        request.temperature = temperature
        request.topK = topK
        request.topP = topP
        request.columns = columns
        return request
    }

    /// What is requested, else what the ending of the output's name says, else PNG.
    ///
    /// - Throws: ``Failure`` (64) where the name has another ending.
    static func format(_ format: Format?, output: String?) throws(Failure) -> Format {
        if let format { return format }
        guard let output, case let ending = URL(fileURLWithPath: output).pathExtension, !ending.isEmpty else {
            return .png
        }
        guard let format = Format(rawValue: ending.lowercased()) else {
            throw Failure(
                .usage,
                "the output is \(output); its name must end in .png, .npy or .npz, unless --format says what it is")
        }
        return format
    }

    static func count(_ n: Int) -> String { n == 1 ? "1 image" : "\(n) images" }

    /// A word as a shell takes it.
    static func word(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
                    || byte >= 0x80 || "._/-".utf8.contains(byte)
            }
        return isPlain ? text : "'\(text.unicodeScalars.map { $0 == "'" ? #"'\''"# : String($0) }.joined())'"
    }

    /// These options as a shell takes them.
    private func words(seed: UInt64) -> [String] {
        var words = ["-n \(n)", "--seed \(seed)"]
        if firstIndex != 0 { words.append("--first-index \(firstIndex)") }
        if let columns { words.append("--columns \(columns)") }
        for label in self.label { words.append("--label \(Self.word(label))") }
        if temperature != 1 { words.append("--temperature \(temperature)") }
        if let topK { words.append("--top-k \(topK)") }
        if let topP { words.append("--top-p \(topP)") }
        if let format { words.append("--format \(format.rawValue)") }
        if let output { words.append("-o \(Self.word(output))") }
        if let socket = connection.socket { words.append("--socket \(Self.word(socket))") }
        return words
    }
}

extension SampleRequest.ImageFormat: ExpressibleByArgument {}
