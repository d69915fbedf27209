// GET /openapi.yaml: the description of the protocol, docs/openapi.yaml, compiled in, so that a daemon describes itself
// wherever it is installed.

import Hummingbird
import PixelCNNAPI

enum DescriptionRoute {
    @Sendable
    static func respond(_ request: Request, context: ServerContext) throws -> Response {
        try request.refuseQuery()
        let type = try request.headers.negotiate([MediaTypeName.yaml])
        return Response(bytes: PackageResources.openapi_yaml, type: type)
    }
}
