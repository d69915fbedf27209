// Answers that refuse for want of room in the queue, shared by all connections: made once for each time to retry after.

import HTTPTypes
import NIOCore
import PixelCNNAPI
import PixelCNNScheduler
import Synchronization

final class Refusals: Sendable {
    private struct Answer {
        let head: HTTPResponse
        let body: ByteBuffer

        init(retryAfterSeconds: Int) {
            let answer = ProblemAnswer(SchedulerError.queueFull(retryAfterSeconds: retryAfterSeconds))
            self.body = ByteBuffer(bytes: answer.body)
            var head = answer.response.head
            head.headerFields[.contentLength] = "\(self.body.readableBytes)"
            self.head = head
        }
    }

    private static let maximumSeconds = 60

    private let state: ServerState
    private let log: RequestLog
    private let answers: [Answer]  // by seconds
    /// Requests that were let through, whole, and have not come to the queue yet: they will be there first.
    private let onTheirWay = Atomic<Int>(0)

    init(_ state: ServerState, _ log: RequestLog) {
        (self.state, self.log) = (state, log)
        self.answers = (0...Self.maximumSeconds).map(Answer.init)
    }

    /// The answer to a request that not even one image more would have room for; counted and logged.
    func refusal(of request: HTTPRequest, by peer: PeerCredentials?) -> (HTTPResponse, ByteBuffer)? {
        let served = state.served
        // Whoever wants the connection closed, or is to close it for a drain, has it closed behind the router, and a
        // body too large is told so there.
        guard let path = Self.path(of: request),
            request.headerFields[.contentLength].flatMap({ Int($0) }) ?? 0 <= served.limits.maximumBodyBytes,
            request.headerFields[.connection].map({ $0.lowercased() == "keep-alive" }) ?? true,
            state.currentPhase != .draining, let seconds = secondsUntilRoom(served.backend)
        else { return nil }
        let start = state.metrics.requestBegan()
        let answer = answers[min(max(seconds, 0), Self.maximumSeconds)]
        let record = RequestRecord(requestID: AnswerHeadersMiddleware.requestID(of: request.headerFields), peer: peer)
        var head = answer.head
        AnswerHeadersMiddleware.add(to: &head.headerFields, served.model, requestID: record.requestID)
        log.log(request.method, path, record, status: head.status.code, since: start)
        state.metrics.requestEnded(path: path, status: head.status.code, since: start)
        return (head, answer.body)
    }

    fileprivate func count(_ requests: Int) { onTheirWay.wrappingAdd(requests, ordering: .relaxed) }

    /// Whether a request is for images.
    static func concerns(_ request: HTTPRequest) -> Bool {
        Self.path(of: request) != nil
    }

    /// The path of a request for images, without its query.
    private static func path(of request: HTTPRequest) -> String? {
        guard request.method == .post, let path = request.path else { return nil }
        return Self.paths.first { path == $0.path || path.hasPrefix($0.withQuery) }?.path
    }

    private static let paths = [Endpoint.samples, Endpoint.score].map { (path: $0, withQuery: $0 + "?") }

    /// When to try again, nil where there is room.
    private func secondsUntilRoom(_ backend: any ComputeBackend) -> Int? {
        do throws(SchedulerError) {
            try backend.checkRoom(for: 1, behind: onTheirWay.load(ordering: .relaxed))
        } catch {
            if case .queueFull(let seconds) = error { return seconds }
        }
        return nil
    }
}

/// That a connection's request is on its way to the queue.
final class QueuePass: Sendable {
    private let refusals: Refusals
    private let isHeld = Atomic<Bool>(false)

    init(_ refusals: Refusals) {
        self.refusals = refusals
    }

    /// The request is whole, and nothing keeps it.
    func take() {
        if !isHeld.exchange(true, ordering: .relaxed) { refusals.count(1) }
    }

    /// The request is in the queue from here on, or will never be. Further calls do nothing.
    func giveBack() {
        if isHeld.exchange(false, ordering: .relaxed) { refusals.count(-1) }
    }
}
