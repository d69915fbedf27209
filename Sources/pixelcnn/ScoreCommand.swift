// `pixelcnn score`: how well the model predicts given images. With an output it asks for the log-probabilities, and sums
// them up itself with the daemon's own definition.

import ArgumentParser
import Foundation
import ImageFormats
import PixelCNNAPI

struct ScoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Prints the bits per dimension of images.",
        discussion: """
            The file is NPY, integers of shape (n, channels, height, width) or (channels, height, width), or a PNG of \
            one image.

            EXAMPLES
              pixelcnn score images.npy
              pixelcnn score face.png -o log_prob.npy
              pixelcnn score flags.npy --label flags
              pixelcnn score images.npy --json
            """
    )

    @Argument(help: "The images, NPY or PNG.")
    var file: String

    @Option(
        help: ArgumentHelp(
            "The images' class, where the model has classes: its number, its name, or how the name begins.",
            valueName: "class"))
    var label: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write the log-probabilities (NPY, float32, nats) there.", valueName: "file"))
    var output: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup
    var patience: PatienceOptions

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            if let output { try Output.check(output) }
            let body = try InputFile.read(self.file)
            let type = try Self.mediaType(of: body, file: self.file)
            let client = try self.connection.client()
            let patience = self.patience.patience()
            var path = Endpoint.score
            if let label {
                let model = try await client.describeModel(patience: patience)
                path += "?label=\(try model.class(label))"
            }
            let question = DaemonClient.Question(
                method: .POST, path: path,
                accept: self.output == nil ? MediaTypeName.json : MediaTypeName.npy, contentType: type
            ) { body }
            let answer = try await client.send(question, patience: patience)
            let scores: ScoreResponse
            if let output {
                scores = try Self.scores(npy: answer.body)
                try Output.write(answer.body, to: output)
                say("wrote log-probabilities to \(output == "-" ? "standard output" : output)")
            } else {
                scores = try client.decode(ScoreResponse.self, answer)
            }
            // Standard output is taken where the array goes there.
            if self.output != "-" { try self.print(scores) }
        }
    }

    private func print(_ scores: ScoreResponse) throws {
        if self.json {
            try Output.write(JSONCoding.encode(scores), to: "-")
            return
        }
        var rows = scores.bitsPerDimension.enumerated().map { ("\($0)", String(format: "%.6f", $1)) }
        rows.append(("mean", String(format: "%.6f", scores.meanBitsPerDimension) + " bits/dim"))
        Swift.print(Table.format(rows))
    }

    /// The first bytes say what a file is, whatever its name.
    static func mediaType(of bytes: [UInt8], file: String) throws(Failure) -> String {
        if bytes.starts(with: [0x93] + Array("NUMPY".utf8)) { return MediaTypeName.npy }
        if bytes.starts(with: [0x89] + Array("PNG".utf8)) { return MediaTypeName.png }
        throw Failure(.dataError, "\(file) is neither NPY nor PNG")
    }

    private static func scores(npy body: [UInt8]) throws(Failure) -> ScoreResponse {
        do {
            let array = try NPYArray(parsing: body)
            let values = array.floats()
            guard let count = array.shape.first, count > 0, values.count.isMultiple(of: count) else {
                throw Failure(.protocolError, "the daemon answered with an empty array")
            }
            return ScoreResponse(logProbabilities: values, count: count)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(.protocolError, "the daemon's array cannot be read: \(error)")
        }
    }
}
