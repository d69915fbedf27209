// Classes over HTTP: what reaches the backend, what a picture says, what is refused.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@testable import PixelCNNServer

@Suite struct LabelTests {
    private let names = ["circle", "square", "say & \"so\""]

    @Test(arguments: [("1", 1), ("\"square\"", 1), ("\"Say & \\\"So\\\"\"", 2)])
    func theClassReachesTheBackendAndStandsInThePicture(json: String, label: Int) async throws {
        try await TestServer.run(labelNames: self.names) { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{\"label\":\(json)}")
            #expect(response.status == 200)
            #expect(server.backend.samplingJobs.map(\.label) == [label])
            let texts = try PNG.text(of: response.body)
            #expect(texts.first { $0.key == "PixelCNN-Label" }?.value == "\(label)")
        }
    }

    @Test func picturesOfUnconditionalModelsSayNothingOfClasses() async throws {
        try await TestServer.run { server in
            let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: "{}")
            #expect(try !PNG.text(of: response.body).contains { $0.key == "PixelCNN-Label" })
            #expect(server.backend.samplingJobs.map(\.label) == [nil])
        }
    }

    @Test(arguments: [("?label=2", 2), ("?label=Circle", 0), ("?label=say%20%26%20%22so%22", 2)])
    func scoresAreOfTheQuerysClass(query: String, label: Int) async throws {
        try await TestServer.run(labelNames: names) { server in
            let response = try await score(server, query)
            #expect(response.status == 200, "\(response.text)")
            #expect(server.backend.scoringJobs.map(\.label) == [label])
        }
    }

    @Test(arguments: [
        ("", 422, "label is missing"), ("?label=3", 422, "label is 3"), ("?label=x", 422, "label is \"x\""),
        ("?label=cir", 422, "\"circle\", \"square\""), ("?label=", 422, "label is \"\""),
        ("?label=1&label=1", 400, "twice"), ("?class=1", 400, "known is label"),
    ])
    func whatIsNoClassIsRefusedWithTheNames(query: String, status: Int, message: String) async throws {
        try await TestServer.run(labelNames: names) { server in
            let response = try await score(server, query)
            #expect(response.status == status && response.text.contains(message.replacing("\"", with: "\\\"")))
            #expect(server.backend.scoringJobs.isEmpty)
        }
    }

    @Test func aSampleNeedsItsClass() async throws {
        try await TestServer.run(labelNames: names) { server in
            for json in ["{}", "{\"label\":3}", "{\"label\":\"cir\"}", "{\"label\":-1}"] {
                let response = try await Curl.send(Endpoint.samples, socket: server.socket, json: json)
                #expect(response.status == 422)
                let problem = try JSONCoding.decode(Problem.self, from: response.body)
                #expect(problem.field == "label" && problem.detail.contains("\"circle\", \"square\""))
            }
            #expect(server.backend.samplingJobs.isEmpty)
        }
    }

    @Test func theModelTellsItsClasses() async throws {
        try await TestServer.run(labelNames: names) { server in
            let response = try await Curl.send(Endpoint.model, socket: server.socket)
            let model = try JSONCoding.decode(ModelDescription.self, from: response.body)
            #expect(model.labels == 3 && model.labelNames == names)
        }
    }

    private func score(_ server: TestServer, _ query: String) async throws -> CurlResponse {
        let directory = try TemporaryDirectory()
        let file = directory.file("body")
        try Data(NPYArray.encode([UInt8](0..<60), shape: [3, 4, 5])).write(to: URL(fileURLWithPath: file))
        return try await Curl.send(
            Endpoint.score + query, socket: server.socket,
            ["-H", "Content-Type: application/x-npy", "--data-binary", "@\(file)"])
    }
}
