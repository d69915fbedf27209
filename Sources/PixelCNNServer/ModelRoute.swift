// GET /v1/model and GET /v1/status: what is served, and how it is doing.

import Foundation
import Hummingbird
import PixelCNNAPI
import PixelCNNScheduler
import PrometheusMetrics

struct ModelRoute {
    let state: ServerState

    func describeModel(_ request: Request, context: ServerContext) throws -> Response {
        try request.refuseQuery()
        let type = try request.headers.negotiate([MediaTypeName.json])
        return Response(bytes: try JSONCoding.encode(context.served.model), type: type)
    }

    func describeStatus(_ request: Request, context: ServerContext) throws -> Response {
        try request.refuseQuery()
        let type = try request.headers.negotiate([MediaTypeName.json])
        let status = state.status
        let recent = state.recentRates(status)
        let description = StatusDescription(
            state: state.currentPhase, requestsInFlight: status.requestsInFlight,
            requestsQueued: status.requestsQueued, imagesInFlight: status.imagesInFlight,
            imagesQueued: status.imagesQueued, imagesCompleted: status.imagesCompleted,
            valuesDrawn: status.valuesDrawn, threads: status.threads,
            uptimeSeconds: (state.uptime / .milliseconds(1)).rounded() / 1000,
            processIdentifier: Int(getpid()), imagesPerSecond: recent.images, valuesPerSecond: recent.values,
            imagesPerStep: recent.imagesPerStep, busyThreads: recent.busyThreads,
            residentBytes: ProcessMetrics.memory()?.resident ?? 0,
            prefixCache: Self.description(of: status.prefixCache))
        return Response(bytes: try JSONCoding.encode(description), type: type)
    }

    private static func description(of cache: PrefixCacheStatus) -> PrefixCacheDescription {
        PrefixCacheDescription(
            hits: cache.hits, misses: cache.misses, rowsSaved: cache.rowsSaved, evictions: cache.evictions,
            entries: cache.entries, bytes: cache.bytes, maximumBytes: cache.byteLimit)
    }
}
