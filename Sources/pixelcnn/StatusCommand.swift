// `pixelcnn status`: how the daemon is doing.

import ArgumentParser
import Foundation
import PixelCNNAPI

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows what the daemon is doing.",
        discussion: """
            EXAMPLES
              pixelcnn status
              pixelcnn status --json | jq .images_queued
            """
    )

    @Flag(help: "Print the daemon's JSON.")
    var json = false

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            let client = try self.connection.client()
            let answer = try await client.send(.GET, Endpoint.status, accept: MediaTypeName.json)
            if self.json { return try Output.write(answer.body, to: "-") }
            print(Self.table(try client.decode(StatusDescription.self, answer)))
        }
    }

    static func table(_ status: StatusDescription) -> String {
        Table.format([
            ("state", status.state.rawValue),
            ("requests", "\(status.requestsInFlight) in flight, \(status.requestsQueued) queued"),
            ("images", "\(status.imagesInFlight) in flight, \(status.imagesQueued) queued"),
            ("completed", "\(status.imagesCompleted) images, \(status.valuesDrawn) values"),
            ("last minute", Self.rates(images: status.imagesPerSecond, values: status.valuesPerSecond)),
            ("since start", Self.rates(images: status.meanImagesPerSecond, values: status.meanValuesPerSecond)),
            ("threads", "\(status.threads)"),
            ("memory", String(format: "%.1f MB", Double(status.residentBytes) / 1e6)),
            ("uptime", Self.duration(status.uptimeSeconds)),
            ("daemon", "\(status.version), pid \(status.processIdentifier)"),
        ])
    }

    static func rates(images: Double, values: Double) -> String {
        String(format: "%.2f images/s, %.0f values/s", images, values)
    }

    /// `2 d 03:04:05`
    static func duration(_ seconds: Double) -> String {
        let total = seconds.isFinite && seconds >= 0 && seconds < 1e15 ? Int(seconds) : 0
        let clock = String(format: "%02d:%02d:%02d", total / 3600 % 24, total / 60 % 60, total % 60)
        return total >= 86_400 ? "\(total / 86_400) d \(clock)" : clock
    }
}
