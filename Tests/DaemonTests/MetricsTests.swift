// GET /metrics of a real daemon: what was done to it is what it counts, as Prometheus's own client reads it.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import TestSupport
import Testing

@Suite(.enabled(if: PrometheusClient.isAvailable, Comment(rawValue: PrometheusClient.absence)))
struct MetricsTests {
    /// The samples by type, name and labels.
    private func scrape(_ daemon: RunningDaemon) async throws -> [String: Double] {
        let response = try await Curl.send(Endpoint.metrics, socket: daemon.socket)
        #expect(response.status == 200)
        #expect(response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        var samples: [String: Double] = [:]
        for line in try PrometheusClient.parse(response.text) {
            let space = try #require(line.lastIndex(of: " "))
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }

    @Test func whatIsDoneIsCounted() async throws {
        try await RunningDaemon.run(["--threads", "2"]) { daemon in
            let before = try await scrape(daemon)
            for _ in 0..<3 {
                let response = try await Curl.send(Endpoint.samples, socket: daemon.socket, json: "{\"n\":5}")
                #expect(response.status == 200)
            }
            _ = try await Curl.send(Endpoint.samples, socket: daemon.socket, json: "{\"n\":0}")
            for path in ["/nowhere", "/nowhere/else?x=1"] { _ = try await Curl.send(path, socket: daemon.socket) }
            // A request is counted a moment after its client has the answer, and its connection closed a moment later;
            // the scrape itself is being served.
            var after: [String: Double] = [:]
            #expect(
                await eventually {
                    after = (try? await scrape(daemon)) ?? [:]
                    return after["gauge pixelcnnd_http_requests_in_flight {}"] == 1
                        && after["gauge process_open_fds {}"] ?? .infinity <= Double(daemon.process.descriptors + 1)
                })
            func growth(_ sample: String) -> Double { (after[sample] ?? 0) - (before[sample] ?? 0) }
            #expect(growth(#"counter pixelcnnd_http_requests_total {"route": "/v1/samples", "status": "200"}"#) == 3)
            #expect(growth(#"counter pixelcnnd_http_requests_total {"route": "/v1/samples", "status": "422"}"#) == 1)
            #expect(growth(#"counter pixelcnnd_http_requests_total {"route": "other", "status": "404"}"#) == 2)
            #expect(growth("counter pixelcnnd_images_completed_total {}") == 15)
            #expect(growth("counter pixelcnnd_pixels_completed_total {}") == 15 * 64)
            #expect(
                growth(#"histogram pixelcnnd_http_request_duration_seconds_count {"route": "/v1/samples"}"#) == 4)
            #expect(growth("histogram pixelcnnd_queue_duration_seconds_count {}") == 3)
            // Each of the 15 images has 64 pixels, and steps take one or more of them.
            #expect(growth("counter pixelcnnd_image_steps_total {}") == 15 * 64)
            #expect((1...15 * 64).contains(growth("counter pixelcnnd_steps_total {}")))
            #expect(growth("counter pixelcnnd_compute_busy_seconds_total {}") > 0)
            // The images' rows are remembered, and nobody needed them again.
            #expect(growth("gauge pixelcnnd_prefix_cache_bytes {}") > 0)
            #expect(growth("counter pixelcnnd_prefix_cache_hits_total {}") == 0)
            #expect(after["gauge pixelcnnd_prefix_cache_limit_bytes {}"] == Double(256 << 20))
            #expect(after["gauge pixelcnnd_images_in_flight {}"] == 0)
            #expect(after["gauge pixelcnnd_images_queued {}"] == 0)
            #expect(after["gauge pixelcnnd_compute_threads {}"] == 2)
            #expect(after["counter process_cpu_seconds_total {}"] ?? 0 > 0)
            #expect(after.keys.count { $0.contains(" process_") } == 7)
            let model = try await daemon.describeModel()
            #expect(
                after.contains {
                    $0.key.hasPrefix("gauge pixelcnn_model_info {") && $0.key.contains(model.sha256) && $0.value == 1
                })
        }
    }

    @Test func aClientThatLeavesIsCountedSo() async throws {
        try await RunningDaemon.run { daemon in
            let body = "{\"n\":200,\"height\":300,\"width\":300}"
            var stream: ByteStream? = try ByteStream(daemon.socket)
            stream?.send("POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n\(body)")
            #expect(await eventually { await daemon.status()?.imagesInFlight ?? 0 > 0 })
            stream = nil
            let sample = #"counter pixelcnnd_http_requests_total {"route": "/v1/samples", "status": "499"}"#
            #expect(await eventually { (try? await scrape(daemon))?[sample] == 1 })
            #expect(await eventually { await daemon.status()?.imagesInFlight == 0 })
        }
    }

    @Test func aFullQueueKeepsNoScrapeWaiting() async throws {
        try await RunningDaemon.run(["--max-queue", "500"]) { daemon in
            let body = "{\"n\":200,\"height\":300,\"width\":300}"
            let stream = try ByteStream(daemon.socket)
            stream.send("POST /v1/samples HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n\(body)")
            // Queued at once, and taken up as soon as a thread gets a core.
            #expect(await eventually { await daemon.status()?.imagesInFlight ?? 0 > 0 })
            let samples = try await scrape(daemon)
            #expect(try #require(samples["gauge pixelcnnd_images_queued {}"]) > 0)
            #expect(try #require(samples["gauge pixelcnnd_images_in_flight {}"]) > 0)
            withExtendedLifetime(stream) {}
        }
    }
}
