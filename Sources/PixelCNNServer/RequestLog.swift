// One line per request, once its response has been written or given up: who sent it, for what, and how it went. What is
// recorded of a request for samples is enough to draw the same images again (docs/SERVICE.md). Probes and the page's
// files are logged at debug level. Rejections because there is no room come by the thousand when they come at all: one
// per second is logged, and says how many were not.

import HTTPTypes
import Logging
import PixelCNNAPI
import PixelCNNScheduler
import Support
import Synchronization

final class RequestLog: Sendable {
    /// From one rejection that is logged to the next.
    private static let rejectionInterval = Duration.seconds(1)

    private struct Rejections {
        var lastLogged: ContinuousClock.Instant?
        var suppressed = 0
    }

    private let logger: Logger
    private let rejections = Mutex(Rejections())

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// A request has ended.
    func log(
        _ method: HTTPRequest.Method, _ path: String, _ record: RequestRecord, status: Int,
        since start: ContinuousClock.Instant
    ) {
        guard logger.logLevel <= .info else { return }
        let route = Routes.route(of: path)
        let level: Logger.Level = route?.isProbe == true || route?.isPageFile == true ? .debug : .info
        guard logger.logLevel <= level else { return }
        let now = ContinuousClock.now
        var suppressed = 0
        if status == 429 {
            guard let count = suppressedRejections(at: now) else { return }
            suppressed = count
        }
        var metadata = record.metadata(status: status, duration: now - start)
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        logger.log(level: level, "\(method) \(path.printable.shortened(to: 256)) \(status)", metadata: metadata)
    }

    /// How many rejections were not logged since the last that was; nil where this one is not either.
    private func suppressedRejections(at now: ContinuousClock.Instant) -> Int? {
        rejections.withLock { rejections in
            if let last = rejections.lastLogged, now - last < Self.rejectionInterval {
                rejections.suppressed += 1
                return nil
            }
            defer { rejections = Rejections(lastLogged: now) }
            return rejections.suppressed
        }
    }
}

/// What is known of one request when it has ended. Filled in by the route, and by the compute thread that takes the
/// first image up.
final class RequestRecord: Sendable {
    /// How a request ended.
    enum Outcome: String {
        /// As requested.
        case done
        /// Not taken: wrong, or no room.
        case refused
        /// The client left first.
        case cancelled
        /// The client's deadline passed.
        case deadline
        /// The daemon was about to end.
        case stopped
        /// Our own fault.
        case failed

        init(status: Int) {
            switch status {
            case ..<400: self = .done
            case ServerMetrics.clientLeft: self = .cancelled
            case 503: self = .stopped
            case 504: self = .deadline
            case 500...: self = .failed
            default: self = .refused
            }
        }
    }

    private struct Content {
        var metadata: Logger.Metadata = [:]
        var queueSeconds: Double?
        var streamError: Int?
    }

    let requestID: String
    private let peer: PeerCredentials?
    private let content = Mutex(Content())

    init(requestID: String, peer: PeerCredentials?) {
        self.requestID = requestID
        self.peer = peer
    }

    /// Images of this request are drawn. `request` has the seed, size and class that they are drawn with, `type` is the
    /// response's, `given` says what the images start with.
    func note(_ request: SampleRequest, _ given: Logger.Metadata, type: String, of model: ModelDescription) {
        content.withLock { content in
            Self.note(model, in: &content.metadata)
            content.metadata["type"] = "\(type)"
            for (key, value) in request.record { content.metadata[key] = "\(value)" }
            content.metadata.merge(given) { $1 }
        }
    }

    /// Images of this request are scored.
    func note(_ job: ScoringJob, of model: ModelDescription) {
        content.withLock { content in
            Self.note(model, in: &content.metadata)
            content.metadata["images"] = "\(job.count)"
            content.metadata["height"] = "\(job.height)"
            content.metadata["width"] = "\(job.width)"
            if let label = job.label { content.metadata["label"] = "\(label)" }
        }
    }

    private static func note(_ model: ModelDescription, in metadata: inout Logger.Metadata) {
        metadata["model"] = "\(model.sha256)"
        metadata["precision"] = "\(model.precision)"
    }

    /// The first image has been taken up.
    func started(queueSeconds: Double) { content.withLock { $0.queueSeconds = queueSeconds } }

    /// A stream, whose status was 200, has ended with an error event of this status.
    func streamFailed(status: Int) { content.withLock { $0.streamError = status } }

    /// Everything, for a response of this status that took so long.
    func metadata(status: Int, duration: Duration) -> Logger.Metadata {
        let content = self.content.withLock { $0 }
        var metadata = content.metadata
        metadata["request"] = "\(requestID)"
        metadata["outcome"] = "\(Outcome(status: content.streamError ?? status).rawValue)"
        metadata["ms"] = "\(Self.milliseconds(duration / .seconds(1)))"
        if let seconds = content.queueSeconds { metadata["queue_ms"] = "\(Self.milliseconds(seconds))" }
        if let peer {
            metadata["uid"] = "\(peer.user)"
            metadata["pid"] = "\(peer.processIdentifier)"
        }
        return metadata
    }

    private static func milliseconds(_ seconds: Double) -> Int { Int((seconds * 1000).rounded()) }
}
