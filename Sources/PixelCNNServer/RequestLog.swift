// One line a request, once its answer has been written or given up. Health probes and scrapes are logged at debug
// level, as they come by the second and say nothing while all is well. Refusals for want of room come by the thousand
// when they come at all: one a second is logged, and says how many were not.

import HTTPTypes
import Logging
import PixelCNNAPI
import Synchronization

final class RequestLog: Sendable {
    private static let probes: Set = [Endpoint.health, Endpoint.readiness, Endpoint.metrics]
    /// From one refusal that is logged to the next.
    private static let refusalInterval = Duration.seconds(1)

    private struct Refusals {
        var lastLogged: ContinuousClock.Instant?
        var suppressed = 0
    }

    private let logger: Logger
    private let refusals = Mutex(Refusals())

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// A request has ended.
    func log(
        _ method: HTTPRequest.Method, _ path: String, _ record: RequestRecord, status: Int,
        since start: ContinuousClock.Instant
    ) {
        let level: Logger.Level = Self.probes.contains(path) ? .debug : .info
        guard logger.logLevel <= level else { return }
        let now = ContinuousClock.now
        var suppressed = 0
        if status == 429 {
            guard let count = suppressedRefusals(at: now) else { return }
            suppressed = count
        }
        var metadata = record.metadata(status: status, duration: now - start)
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        logger.log(level: level, "\(method) \(path) \(status)", metadata: metadata)
    }

    /// How many refusals were not logged since the last that was; nil where this one is not either.
    private func suppressedRefusals(at now: ContinuousClock.Instant) -> Int? {
        self.refusals.withLock { refusals in
            if let last = refusals.lastLogged, now - last < Self.refusalInterval {
                refusals.suppressed += 1
                return nil
            }
            defer { refusals = Refusals(lastLogged: now) }
            return refusals.suppressed
        }
    }
}
