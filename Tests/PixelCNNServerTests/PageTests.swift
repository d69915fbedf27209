// The page's files: what they are sent with, and that they stay small. What they do is for Tests/Page, in a browser.

import Foundation
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct PageTests {
    @Test func browsersGetAPageThatLoadsNothingFromElsewhere() async throws {
        try await TestServer.run { server in
            let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
            let page = try await Curl.send(Endpoint.page, socket: server.socket, ["-H", "Accept: \(accept)"])
            #expect(page.status == 200)
            #expect(page.headers["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(page.headers["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self';"))
            #expect(page.headers["x-content-type-options"] == "nosniff")
            #expect(page.headers["referrer-policy"] == "no-referrer")
            #expect(page.headers["cache-control"] == "no-cache")
            for match in page.text.matches(of: /(?:src|href)="([^"]*)"/) where !match.output.1.hasPrefix("data:") {
                #expect(match.output.1.hasPrefix("page/"), "\(match.output.1) is not relative")
            }
        }
    }

    @Test func everyFileIsKeptUntilItChanges() async throws {
        try await TestServer.run { server in
            for file in PageFile.all {
                let first = try await Curl.send(file.path, socket: server.socket)
                #expect(first.status == 200, "\(file.path)")
                let tag = try #require(first.headers["etag"])
                for (sent, status) in [(tag, 304), ("\"x\", W/\(tag)", 304), ("*", 304), ("\"x\"", 200)] {
                    let again = try await Curl.send(file.path, socket: server.socket, ["-H", "If-None-Match: \(sent)"])
                    #expect(again.status == status && again.headers["etag"] == tag, "\(file.path): \(sent)")
                    #expect(again.body == (status == 304 ? [] : first.body))
                }
            }
        }
    }

    @Test func whoWantsNoPageLearnsWhereTheProtocolIs() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send("/", socket: server.socket, ["-H", "Accept: application/json"])
            #expect(response.status == 406 && response.text.contains(Endpoint.description))
            #expect(try await Curl.send("/page/none.js", socket: server.socket).status == 404)
            #expect(try await Curl.send("/", socket: server.socket, json: "{}").status == 405)
        }
    }

    @Test func theWholePageIsSmall() async throws {
        try await TestServer.run { server in
            var bytes = 0
            for file in PageFile.all { bytes += try await Curl.send(file.path, socket: server.socket).body.count }
            #expect(bytes > 0 && bytes <= 60 << 10, "\(bytes)")
        }
    }

    @Test func itsFilesAreOneThingToTheMetrics() async throws {
        try await TestServer.run { server in
            for file in PageFile.all { _ = try await Curl.send(file.path, socket: server.socket) }
            let expected = "\(Metric.requests.name){route=\"/page/\",status=\"200\"} \(PageFile.all.count - 1)\n"
            var text = ""
            #expect(
                await eventually {
                    text = (try? await Curl.send(Endpoint.metrics, socket: server.socket).text) ?? ""
                    return text.contains(expected)
                }, "\(text)")
            #expect(text.contains("route=\"/\",status=\"200\"} 1\n") && !text.contains("/page/main.js"))
        }
    }
}
