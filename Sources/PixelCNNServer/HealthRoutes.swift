// GET /healthz: 200 while the process answers at all. GET /readyz: 200 while it takes work, so that a proxy stops
// sending some as soon as the daemon drains.

import Hummingbird
import PixelCNNAPI

struct HealthRoutes {
    let state: ServerState

    func health(_ request: Request, context: ServerContext) -> Response {
        Response(bytes: Array("ok\n".utf8), type: MediaTypeName.text)
    }

    func readiness(_ request: Request, context: ServerContext) throws -> Response {
        let phase = state.currentPhase
        guard phase == .ready else {
            throw ProblemAnswer.busy(.serviceUnavailable, "the daemon is \(phase.rawValue)", retryAfterSeconds: 1)
        }
        return Response(bytes: Array("ready\n".utf8), type: MediaTypeName.text)
    }
}
