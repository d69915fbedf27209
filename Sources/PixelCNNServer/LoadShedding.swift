// Refuses requests for images at their heads while the queue is full, before the router, its tasks and the body: a
// flood then costs a fraction of what it would cost behind them, and rejections come at once. What is let through may
// still be refused by the queue itself. Shared by all connections; responses are made once for each number of seconds.

import HTTPTypes
import NIOCore
import PixelCNNAPI
import PixelCNNScheduler
import Synchronization

final class LoadShedding: Sendable {
    private struct Rejection {
        let head: HTTPResponse
        let body: ByteBuffer

        init(retryAfterSeconds: Int) {
            let problem = ProblemResponse(SchedulerError.queueFull(retryAfterSeconds: retryAfterSeconds))
            body = ByteBuffer(bytes: problem.body)
            var head = problem.response.head
            head.headerFields[.contentLength] = "\(body.readableBytes)"
            self.head = head
        }
    }

    private let state: ServerState
    private let log: RequestLog
    private let rejections: [Rejection]  // by seconds, from the least on
    /// Requests that were let through, whole, and have not come to the queue yet: they will be there first.
    private let onTheirWay = Atomic<Int>(0)

    init(_ state: ServerState, _ log: RequestLog) {
        self.state = state
        self.log = log
        rejections = SchedulerError.retryAfterSeconds.map(Rejection.init)
    }

    /// When to retry, nil where there is room for one image more.
    func secondsUntilRoom(_ backend: any ComputeBackend) -> Int? {
        do throws(SchedulerError) {
            try backend.checkRoom(for: 1, behind: onTheirWay.load(ordering: .relaxed))
        } catch {
            if case .queueFull(let seconds) = error { return seconds }
        }
        return nil
    }

    /// The response to a request that there is no room for; counted and logged.
    func rejection(
        of request: HTTPRequest, for route: Route, _ peer: PeerCredentials?, _ served: ServedModel,
        retryAfterSeconds seconds: Int
    ) -> (HTTPResponse, ByteBuffer) {
        let start = state.metrics.requestBegan()
        let bounds = SchedulerError.retryAfterSeconds
        let rejection = rejections[min(max(seconds, bounds.lowerBound), bounds.upperBound) - bounds.lowerBound]
        let record = RequestRecord(requestID: RequestID.of(request.headerFields), peer: peer)
        var head = rejection.head
        ResponseHeaders.add(to: &head.headerFields, served.model, requestID: record.requestID)
        log.log(request.method, route.path, record, status: head.status.code, since: start)
        state.metrics.requestEnded(path: route.path, status: head.status.code, since: start)
        return (head, rejection.body)
    }

    fileprivate func count(_ requests: Int) { onTheirWay.wrappingAdd(requests, ordering: .relaxed) }
}

/// Says that a connection's request is on its way to the queue.
final class AdmissionTicket: Sendable {
    private let shedding: LoadShedding
    private let isHeld = Atomic<Bool>(false)

    init(_ shedding: LoadShedding) {
        self.shedding = shedding
    }

    /// The request is whole, and nothing keeps it.
    func take() {
        if !isHeld.exchange(true, ordering: .relaxed) { shedding.count(1) }
    }

    /// The request is in the queue from here on, or will never be. Further calls do nothing.
    func giveBack() {
        if isHeld.exchange(false, ordering: .relaxed) { shedding.count(-1) }
    }
}
