// One line a request: method, path, status, duration. Health probes and scrapes are logged at debug level, as they come
// by the second and say nothing while all is well.

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
        let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
        let isProbe = [Endpoint.health, Endpoint.readiness, Endpoint.metrics].contains(request.uri.path)
        context.logger.log(
            level: isProbe ? .debug : .info, "\(request.method) \(request.uri.path) \(response.status.code)",
            metadata: ["ms": "\(Int(milliseconds.rounded()))"])
        return response
    }
}
