// The table of paths and methods, and the router built from it. The table is also what 404, 405 and OPTIONS answer
// from, so they cannot disagree with what is routed.

import HTTPTypes
import Hummingbird
import PixelCNNAPI

enum Routes {
    struct Entry {
        let path: String
        let methods: [HTTPRequest.Method]
    }

    static let table = [
        Entry(path: Endpoint.samples, methods: [.post]),
        Entry(path: Endpoint.score, methods: [.post]),
        Entry(path: Endpoint.model, methods: [.get, .head]),
        Entry(path: Endpoint.status, methods: [.get, .head]),
        Entry(path: Endpoint.health, methods: [.get, .head]),
        Entry(path: Endpoint.readiness, methods: [.get, .head]),
        Entry(path: Endpoint.metrics, methods: [.get, .head]),
        Entry(path: Endpoint.description, methods: [.get, .head]),
    ]

    /// The entry of a path, nil where there is no such path; a final slash does not matter, as in the router.
    static func entry(of path: String) -> Entry? {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        return self.table.first { $0.path == path }
    }

    /// The methods of a path, nil where there is no such path.
    static func methods(of path: String) -> [HTTPRequest.Method]? { entry(of: path)?.methods }

    /// The router's middleware runs outside in: headers, problems.
    static func responder(for state: ServerState) -> some HTTPResponder<ServerContext> {
        let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: AnswerHeadersMiddleware(state: state))
        router.add(middleware: ProblemMiddleware())
        let models = ModelRoute(state: state)
        let health = HealthRoutes(state: state)
        router.post("\(Endpoint.samples)") { try await SamplesRoute(state: $1.served).respond(to: $0, context: $1) }
        router.post("\(Endpoint.score)") { try await ScoreRoute(state: $1.served).respond(to: $0, context: $1) }
        router.get("\(Endpoint.model)", use: models.describeModel)
        router.get("\(Endpoint.status)", use: models.describeStatus)
        router.get("\(Endpoint.health)", use: health.health)
        router.get("\(Endpoint.readiness)", use: health.readiness)
        router.get("\(Endpoint.metrics)", use: MetricsRoute(metrics: state.metrics).respond)
        router.get("\(Endpoint.description)", use: DescriptionRoute.respond)
        return router.buildResponder()
    }
}
