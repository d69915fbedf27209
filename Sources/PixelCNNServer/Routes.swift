// The table of routes. It is the router, and everything else that depends on which paths there are is read from it:
// what 404, 405 and OPTIONS say, which requests may be refused at their heads, how requests are logged, and the labels
// of metrics. A new route is one entry.

import Foundation
import HTTPTypes
import HummingbirdCore
import PixelCNNAPI
import Prometheus

/// A path, the method that it has, and what responds.
struct Route: Sendable {
    typealias Responder = @Sendable (Request, Exchange, ServerState) async throws -> Response

    let method: HTTPRequest.Method
    let path: String
    /// Whether its requests wait in the queue for images.
    var isForImages = false
    /// Whether programs send it by the second, and learn nothing while all is well.
    var isProbe = false
    /// Whether it is one of the files that make the page: they are one thing to whoever counts, and to the log.
    var isPageFile = false
    let respond: Responder

    /// With GET comes HEAD.
    var methods: [HTTPRequest.Method] { method == .get ? [.get, .head] : [method] }

    /// What metrics call it.
    var label: String { isPageFile ? Endpoint.pageFiles : path }
}

enum Routes {
    static let table = ofProtocol + ofPage

    private static let ofProtocol = [
        Route(method: .post, path: Endpoint.samples, isForImages: true) { request, exchange, _ in
            try await SamplesRoute(exchange: exchange).respond(to: request)
        },
        Route(method: .post, path: Endpoint.score, isForImages: true) { request, exchange, _ in
            try await ScoreRoute(exchange: exchange).respond(to: request)
        },
        Route(method: .get, path: Endpoint.model) { request, exchange, _ in
            try describe(exchange.served.model, request)
        },
        Route(method: .get, path: Endpoint.status) { request, _, state in
            try describe(state.description, request)
        },
        Route(method: .get, path: Endpoint.health, isProbe: true) { _, _, _ in
            // While the process responds at all.
            Response(bytes: Array("ok\n".utf8), type: MediaTypeName.text)
        },
        Route(method: .get, path: Endpoint.readiness, isProbe: true) { _, _, state in
            // While it takes work: a proxy stops sending some as soon as the daemon drains.
            let phase = state.currentPhase
            guard phase == .ready else {
                throw ProblemResponse.busy(
                    .serviceUnavailable, "the daemon is \(phase.rawValue)", retryAfterSeconds: 1)
            }
            return Response(bytes: Array("ready\n".utf8), type: MediaTypeName.text)
        },
        Route(method: .get, path: Endpoint.metrics, isProbe: true) { request, _, state in
            // Reads counters and waits for nothing, so it responds under any load.
            try request.refuseQuery()
            _ = try request.headers.negotiate([MediaTypeName.text])
            let text = state.metrics.registry.render()
            return Response(bytes: Array(text.utf8), type: PrometheusRegistry.contentType)
        },
        Route(method: .get, path: Endpoint.description) { request, _, _ in
            // docs/openapi.yaml, compiled in: a daemon describes itself wherever it is installed.
            try request.refuseQuery()
            let type = try request.headers.negotiate([MediaTypeName.yaml])
            return Response(bytes: PackageResources.openapi_yaml, type: type)
        },
    ]

    private static let ofPage = PageFile.all.map { file in
        Route(method: .get, path: file.path, isPageFile: file.path != Endpoint.page) { request, _, _ in
            try file.response(to: request)
        }
    }

    private static func describe(_ value: some Encodable, _ request: Request) throws -> Response {
        try request.refuseQuery()
        let type = try request.headers.negotiate([MediaTypeName.json])
        return Response(bytes: try JSONCoding.encode(value), type: type)
    }

    /// Responds by the route of the request. A path that there is responds to OPTIONS, and with 405 to the methods that
    /// it lacks; any other is 404.
    static func respond(to request: Request, _ exchange: Exchange, _ state: ServerState) async throws -> Response {
        guard let route = route(of: request.uri.path) else {
            let paths = table.filter { !$0.isPageFile }.map(\.path)
            throw ProblemResponse(.notFound, "no such path; there are \(paths.joined(separator: ", "))")
        }
        if route.methods.contains(request.method) { return try await route.respond(request, exchange, state) }
        let allow = (route.methods.map(\.rawValue) + ["OPTIONS"]).joined(separator: ", ")
        if request.method == .options { return Response(status: .noContent, headers: [.allow: allow]) }
        throw ProblemResponse(
            .methodNotAllowed, "\(request.method) is not allowed here; allowed are \(allow)", headers: [.allow: allow])
    }

    /// The route of a path, whatever the method, nil where there is no such path; more slashes than one, and a last
    /// one, do not matter.
    static func route(of path: String) -> Route? {
        if let route = table.first(where: { $0.path.utf8.elementsEqual(path.utf8) }) { return route }
        let names = path.utf8.split(separator: UInt8(ascii: "/"))
        return table.first {
            $0.path.utf8.split(separator: UInt8(ascii: "/")).elementsEqual(names, by: { $0.elementsEqual($1) })
        }
    }

    /// The route of a request for images, nil for any other. Called for each head, so it copies nothing.
    static func routeForImages(_ request: HTTPRequest) -> Route? {
        guard request.method == .post, let path = request.path else { return nil }
        let name = path.utf8.prefix { $0 != UInt8(ascii: "?") }
        return table.first { $0.isForImages && $0.path.utf8.elementsEqual(name) }
    }
}
