// One line a request: method, path, status, duration. Health probes and scrapes are logged at debug level, as they come
// by the second and say nothing while all is well.

import HTTPTypes
import Hummingbird
import Logging
import PixelCNNAPI

struct RequestLogMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let response: Response
        do {
            response = try await next(request, context)
        } catch {
            context.logger.info("\(request.method) \(request.uri.path): given up, \(error)")
            throw error
        }
        Self.log(request.method, request.uri.path, response.status, since: start, to: context.logger)
        return response
    }

    /// Writes the line of a request that has been answered.
    static func log(
        _ method: HTTPRequest.Method, _ path: String, _ status: HTTPResponse.Status,
        since start: ContinuousClock.Instant, to logger: Logger, _ metadata: Logger.Metadata = [:]
    ) {
        let isProbe = [Endpoint.health, Endpoint.readiness, Endpoint.metrics].contains(path)
        let milliseconds = Int(((ContinuousClock.now - start) / .milliseconds(1)).rounded())
        logger.log(
            level: isProbe ? .debug : .info, "\(method) \(path) \(status.code)",
            metadata: metadata.merging(["ms": "\(milliseconds)"]) { _, new in new })
    }
}
