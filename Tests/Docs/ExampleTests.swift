// The examples for other languages, run against real daemons. docs/examples/curl.md is a document like any other:
// ``DocumentTests`` runs it.

import Foundation
import ServerTestSupport
import Testing

@Suite struct ExampleTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let python = environment["PIXELCNN_PYTHON"] ?? "python3"

    /// docs/PRIORS.md, with fewer steps: a VQ-VAE in PyTorch, its prior, codes from the daemon, pictures.
    @Test(.enabled("PyTorch is not installed") { await hasPyTorch() }) func aPriorIsTrainedDrawnAndDecoded()
        async throws
    {
        let script = "\(Documents.root.path)/Tests/Docs/priors_test.py"
        let result = try await Command.run("/usr/bin/env", [Self.python, script, Documents.build])
        print(result.text)
        #expect(result.status == 0, "\(result.text)\(result.errors)")
    }

    private static func hasPyTorch() async -> Bool {
        if environment["PIXELCNN_REQUIRE_PYTORCH"] != nil { return true }
        return (try? await Command.run("/usr/bin/env", [python, "-c", "import numpy, torch"]).status) == 0
    }
}
