// The list of metrics, the exposition and the document say the same.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct MetricTableTests {
    @Test func theDocumentHasEveryMetric() throws {
        let rows = Metric.all.map { metric in
            let labels = metric.labels.map { "`\($0)`" }
            return [
                "`\(metric.name)`", ([metric.kind.rawValue] + labels).joined(separator: ", "), metric.help,
            ]
        }
        let table = DocumentTable(
            document: "docs/METRICS.md", source: "Sources/PixelCNNServer/MetricTable.swift",
            header: ["metric", "type, labels", "what it is"], rows: rows)
        #expect(try table.differences() == [])
    }

    /// Each metric of the list, with its kind and its labels, and none besides.
    @Test func aScrapeShowsEveryMetric() async throws {
        try await TestServer.run { server in
            server.state.metrics.jobStarted(queueSeconds: 1)
            _ = try await Curl.send(Endpoint.health, socket: server.socket)
            var lines: [Substring] = []
            #expect(
                await eventually {
                    lines =
                        (try? await Curl.send(Endpoint.metrics, socket: server.socket).text)?.split(
                            separator: "\n") ?? []
                    return lines.contains { $0.hasPrefix("\(Metric.requests.name){") }
                })
            let types = Set(lines.filter { $0.hasPrefix("# TYPE ") })
            #expect(types == Set(Metric.all.map { "# TYPE \($0.name) \($0.kind.rawValue)" }))
            for metric in Metric.all {
                let help = metric.help.replacing("`", with: "")
                #expect(lines.contains("# HELP \(metric.name) \(help)"), "\(metric.name)")
                let sample = try #require(lines.first { $0.hasPrefix(metric.name) }, "\(metric.name)")
                let labels = sample.matches(of: /([a-z_0-9]+)="/).map { String($0.output.1) }.filter { $0 != "le" }
                #expect(Set(labels) == Set(metric.labels), "\(metric.name)")
            }
            #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        }
    }
}
