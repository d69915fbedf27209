// GET /openapi.yaml against what is routed: the description and the table of routes name the same paths and methods.
// That the responses are as described is for Tests/OpenAPI/run.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct DescriptionTests {
    /// Paths and methods of the file; it is ours, so two and four spaces are what makes them.
    private func described() throws -> Set<String> {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/openapi.yaml")
        var path: String?
        var found: Set<String> = []
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            if line.hasPrefix("  /"), let name = line.dropFirst(2).split(separator: ":").first {
                path = String(name)
                if line.hasSuffix(" {$ref: '#/components/pathItems/Page'}") {
                    found.formUnion(["GET \(name)", "HEAD \(name)"])
                }
            } else if !line.hasPrefix("  ") {
                path = nil
            } else if let path, line.hasPrefix("    "), !line.hasPrefix("     "), line.hasSuffix(":") {
                found.insert("\(line.dropFirst(4).dropLast().uppercased()) \(path)")
            }
        }
        return found
    }

    @Test func theDescriptionNamesWhatIsRouted() throws {
        let routed = Set(Routes.table.flatMap { entry in entry.methods.map { "\($0.rawValue) \(entry.path)" } })
        #expect(try described() == routed)
    }

    @Test func theDaemonRespondsWithTheFile() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(Endpoint.description, socket: server.socket)
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "application/yaml")
            #expect(response.text.hasPrefix("openapi: 3.1.0\n"))
            #expect(response.text.contains("\n  version: \(Version.current)\n"))
        }
    }

    @Test func metricsAreText() async throws {
        try await TestServer.run { server in
            let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
            let response = try await Curl.send(Endpoint.metrics, socket: server.socket, ["-H", "Accept: \(accept)"])
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            // The backend's 6 values are 2 pixels of three channels.
            #expect(response.text.contains("\npixelcnnd_pixels_completed_total 2\n"))
            #expect(response.text.contains("\npixelcnnd_images_queued 4\n"))
        }
    }
}

@Suite struct RateWindowTests {
    private func totals(_ seconds: Int, _ images: UInt64) -> RateWindow.Totals {
        .init(
            uptime: .seconds(seconds), images: images, values: images * 10, steps: images * 2, imageSteps: images * 6,
            busySeconds: Double(images) / 2)
    }

    @Test func ratesAreOfTheLastMinute() {
        let window = RateWindow()
        for second in 1...200 { window.note(totals(second, UInt64(second) * (second <= 100 ? 1 : 3))) }
        #expect(
            window.rates(until: totals(200, 600))
                == .init(images: 3, values: 30, imagesPerStep: 3, busyThreads: 1.5))
    }

    @Test func aYoungDaemonsRatesAreSinceItsStart() {
        let window = RateWindow()
        #expect(window.rates(until: totals(0, 0)) == .init())
        #expect(
            window.rates(until: totals(4, 8)) == .init(images: 2, values: 20, imagesPerStep: 3, busyThreads: 1))
    }

    @Test func afterASilenceTheLastNoteCounts() {
        let window = RateWindow()
        window.note(totals(10, 5))
        #expect(
            window.rates(until: totals(110, 105))
                == .init(images: 1, values: 10, imagesPerStep: 3, busyThreads: 0.5))
    }
}
