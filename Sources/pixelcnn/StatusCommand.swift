// `pixelcnn status`: how the daemon is doing.

import ArgumentParser
import Foundation
import PixelCNNAPI
import Support

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows what the daemon is doing.",
        discussion: """
            EXAMPLES
              pixelcnn status
              pixelcnn status --watch
              pixelcnn status --json | jq .images_queued
            """
    )

    @Flag(help: "Print the daemon's JSON.")
    var json = false

    @Flag(name: .shortAndLong, help: "Show it again every second, until Ctrl-C.")
    var watch = false

    @OptionGroup
    var start: StartOptions

    @OptionGroup
    var connection: ConnectionOptions

    func run() async throws {
        try await Failure.reporting {
            let client = try connection.client(startWait: start.duration)
            guard self.watch else { return try await Self.show(client, json: self.json) }
            let json = self.json
            try await Interruption.cancelling { try await Self.watch(client, json: json) }
        }
    }

    private static func request(from client: DaemonClient) async throws -> HTTPResponse {
        try await client.send(.init(path: Endpoint.status, accept: MediaTypeName.json))
    }

    private static func show(_ client: DaemonClient, json: Bool, isRepeated: Bool = false) async throws {
        let response = try await request(from: client)
        if json { return try Output.print(response.printableJSON(of: StatusDescription.self)) }
        let table = Self.table(try response.decoded(as: StatusDescription.self))
        try Output.print(Array("\(table)\n\(isRepeated ? "\n" : "")".utf8))
    }

    /// On a terminal the table is redrawn in place; elsewhere, and as JSON, one follows the other.
    private static func watch(_ client: DaemonClient, json: Bool) async throws {
        let lines = LiveLines(STDOUT_FILENO)
        let isLive = !json && Terminal.isCapable(STDOUT_FILENO)
        defer { lines.end() }
        while true {
            if isLive {
                let status = try await request(from: client).decoded(as: StatusDescription.self)
                let columns = Terminal.size(STDOUT_FILENO).columns
                lines.draw(Self.table(status).split(separator: "\n").map { String($0.prefix(columns - 1)) })
            } else {
                try await Self.show(client, json: json, isRepeated: true)
            }
            try await Task.sleep(for: .seconds(1))
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
            (
                "threads",
                String(
                    format: "%d, %.1f busy, %.1f images per step", status.threads, status.busyThreads,
                    status.imagesPerStep)
            ),
            ("first rows", Self.prefixCache(status.prefixCache)),
            ("memory", String(format: "%.1f MB", Double(status.residentBytes) / 1e6)),
            ("uptime", Durations.uptime(status.uptimeSeconds)),
            ("daemon", "\(status.version), pid \(status.processIdentifier)"),
        ])
    }

    static func prefixCache(_ cache: PrefixCacheDescription) -> String {
        if cache.maximumBytes == 0 { return "not remembered" }
        return String(
            format: "%.1f of %.1f MB, %llu images started below %llu known rows", Double(cache.bytes) / 1e6,
            Double(cache.maximumBytes) / 1e6, cache.hits, cache.rowsSaved)
    }

    static func rates(images: Double, values: Double) -> String {
        String(format: "%.2f images/s, %.0f values/s", images, values)
    }
}
