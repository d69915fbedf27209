// A line of the daemon's log is enough to draw the same images again.

import Foundation
import ImageFormats
import PixelCNNAPI
import ServerTestSupport
import Testing

@Suite struct RecordTests {
    /// The fields of the record of a request, as the log has them: name=value, in a line with the request's identifier.
    private func record(_ request: String, of daemon: RunningDaemon) async throws -> [String: String] {
        var line: Substring?
        #expect(
            await eventually {
                line = daemon.command.errors.split(separator: "\n").first { $0.contains("request=\(request) ") }
                return line != nil
            })
        let fields = try #require(line).split(separator: " ").filter { $0.contains("=") }
            .map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        return Dictionary(fields.map { ($0[0], $0[1]) }) { first, _ in first }
    }

    @Test(arguments: [
        ("image/png", "{\"n\":5,\"columns\":2}"), ("application/x-npy", "{\"n\":2,\"first_index\":99,\"width\":11}"),
        ("image/png", "{\"n\":3,\"temperature\":0.35,\"top_k\":9,\"top_p\":0.83,\"height\":5}"),
        ("application/x-npy", "{\"n\":1,\"seed\":\"18446744073709551615\",\"temperature\":0}"),
    ])
    func aRecordDrawsTheSameBytesAgain(type: String, json: String) async throws {
        try await RunningDaemon.run { daemon in
            let drawn = try await Curl.send(
                Endpoint.samples, socket: daemon.socket, ["-H", "X-Request-Id: r1", "-H", "Accept: \(type)"], json: json
            )
            #expect(drawn.status == 200)
            let record = try await self.record("r1", of: daemon)
            #expect(record["model"] == drawn.headers["pixelcnn-model"] && record["outcome"] == "done")
            let options = [
                "images": "-n", "seed": "--seed", "first_index": "--first-index", "height": "--height",
                "width": "--width", "temperature": "--temperature", "top_k": "--top-k", "top_p": "--top-p",
                "columns": "--columns",
            ]
            let format = try #require(record["type"]) == "image/png" ? "png" : "npy"
            var arguments = ["sample", "--quiet", "--format", format, "-o", daemon.directory.file("again")]
            for (field, option) in options { if let value = record[field] { arguments += [option, value] } }
            let again = try await daemon.client(arguments)
            #expect(again.status == 0, "\(again.errors)")
            #expect(try bytes(ofFile: daemon.directory.file("again")) == drawn.body)
        }
    }
}
