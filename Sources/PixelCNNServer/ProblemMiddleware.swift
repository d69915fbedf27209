// Errors become RFC 9457 answers here and nowhere else. Two kinds pass through: a request that is not HTTP, which the
// connection answers itself, and a cancellation, whose client is gone.

import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import PixelCNNAPI

struct ProblemMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: ServerContext, next: (Request, ServerContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPParserError {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch let error as HTTPError where error.status == .notFound {
            return Self.answerToUnrouted(request)
        } catch {
            if let answer = ProblemAnswer(for: error) { return answer.response }
            context.logger.error("Request failed", metadata: ["error": "\(error)"])
            return ProblemAnswer.internalError.response
        }
    }

    /// A path that exists answers OPTIONS, and 405 to the methods that it lacks; any other is 404.
    private static func answerToUnrouted(_ request: Request) -> Response {
        guard let methods = Routes.methods(of: request.uri.path) else {
            return ProblemAnswer(
                .notFound, "no such path; there are \(Routes.table.map(\.path).joined(separator: ", "))"
            ).response
        }
        let allow = (methods.map(\.rawValue) + ["OPTIONS"]).joined(separator: ", ")
        if request.method == .options { return Response(status: .noContent, headers: [.allow: allow]) }
        return ProblemAnswer(
            .methodNotAllowed, "\(request.method) is not allowed here; allowed are \(allow)", headers: [.allow: allow]
        ).response
    }
}
