// GET /metrics: what Prometheus scrapes. It reads counters and waits for nothing, so it is answered under any load.

import Hummingbird
import PixelCNNAPI
import PrometheusMetrics

struct MetricsRoute {
    let metrics: ServerMetrics

    func respond(_ request: Request, context: ServerContext) throws -> Response {
        try request.refuseQuery()
        _ = try request.headers.negotiate([MediaTypeName.text])
        return Response(bytes: Array(self.metrics.registry.render().utf8), type: PrometheusRegistry.contentType)
    }
}
