// What is known of one request when it has ended, for the log: who asked, for what, and how it went. What is recorded
// of a request for samples is enough to draw the same images again (docs/SERVICE.md).

import HTTPTypes
import Logging
import PixelCNNAPI
import PixelCNNScheduler
import Synchronization

/// Filled in by the route, and by the compute thread that takes the first image up.
final class RequestRecord: Sendable {
    /// How a request ended.
    enum Outcome: String {
        /// Answered as asked.
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
        (self.requestID, self.peer) = (requestID, peer)
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
        self.content.withLock { content in
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

    /// Everything, for an answer of this status that took so long.
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
