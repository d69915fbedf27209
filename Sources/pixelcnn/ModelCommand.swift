// `pixelcnn model`: what the daemon serves.

import ArgumentParser
import PixelCNNAPI
import Support

struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Describes the served model.",
        discussion: """
            EXAMPLES
              pixelcnn model
              pixelcnn model --json | jq -r .sha256
            """
    )

    @Flag(help: "Print the daemon's JSON.")
    var json = false

    @OptionGroup
    var start: StartOptions

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            let client = try connection.client(startWait: start.duration)
            let response = try await client.send(.init(path: Endpoint.model, accept: MediaTypeName.json))
            if json { return try Output.print(response.printableJSON(of: ModelDescription.self)) }
            let table = Self.table(try response.decoded(as: ModelDescription.self))
            try Output.print(Array((table + "\n").utf8))
        }
    }

    /// How many, and their names by number.
    private static func classes(_ model: ModelDescription) -> String {
        if model.labels == 0 { return "none" }
        if model.labelNames.isEmpty { return "\(model.labels)" }
        let names = model.labelNames.enumerated().map { "\($0) \($1)" }.joined(separator: ", ")
        return "\(model.labels): \(names)"
    }

    static func table(_ model: ModelDescription) -> String {
        var rows = [
            ("file", model.file + (model.weights.map { ", weights \($0.isEmpty ? "." : $0)" } ?? "")),
            ("format", model.format),
            ("bytes", "\(model.bytes)"),
            ("sha256", model.sha256),
            ("network", model.network ?? "pixelcnn"),
            ("images", "\(model.channels) × \(model.height) × \(model.width), \(model.colors) values"),
            ("classes", Self.classes(model)),
            ("blocks", "\(model.blocks), kernel \(model.kernelSize)"),
            ("filters", "\(model.filters), hidden \(model.hidden)"),
            ("parameters", "\(model.parameters)"),
            ("precision", model.precision),
            ("instruction set", model.instructionSet),
            ("threads", "\(model.threads)"),
            (
                "one request",
                "\(model.limits.maximumImages) images, sides of \(model.limits.maximumSide), "
                    + "\(model.limits.maximumValues) values, \(model.limits.maximumBodyBytes) bytes"
            ),
            ("daemon", model.version),
        ]
        rows += model.warnings.map { ("warning", $0) }
        return Table.format(rows)
    }
}
