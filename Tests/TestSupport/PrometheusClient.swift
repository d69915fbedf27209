// Prometheus's own Python client as an oracle, in the Python of ``PyTorch``: what reads an exposition there is what
// reads it in the wild.

import Foundation

/// `prometheus_client`, where it is installed; required where `PIXELCNN_REQUIRE_PYTORCH` is set, as in CI.
package enum PrometheusClient {
    /// Why tests are skipped where they are.
    package static let absence = "prometheus_client is not installed: pip install prometheus_client"

    /// Whether tests that need it are to run.
    package static let isAvailable: Bool =
        ProcessInfo.processInfo.environment["PIXELCNN_REQUIRE_PYTORCH"] != nil
        || (try? PyTorch.run(["-c", "import prometheus_client"]).status) == 0

    /// The samples of an exposition as the client reads them: `counter hits_total {"route": "/a"} 3.0`.
    package static func parse(_ exposition: String) throws -> [String] {
        let folder = try TemporaryFolder()
        try exposition.write(toFile: folder.path("metrics"), atomically: false, encoding: .utf8)
        let result = try PyTorch.run(["parse_metrics.py", folder.path("metrics")])
        guard result.status == 0 else { throw ParseFailure(output: result.output) }
        return result.output.split(separator: "\n").map(String.init)
    }

    /// What the client says of an exposition that it cannot read.
    package struct ParseFailure: Error {
        /// The end of its words.
        package let output: String
    }
}
