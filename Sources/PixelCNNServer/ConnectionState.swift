// Decides everything about one HTTP/1.1 connection that is no route's: what is refused at its head, what is discarded,
// which problem a malformed request has, whom to hang up on and when, and when a response is the last. A value without
// I/O: events and the time come in as calls, what to do goes out as their results, and Connection does it.
//
// HTTP/1.1 responds in the order of requests, and one count carries most rules: `pendingResponses`, the requests that
// were forwarded and whose response has not ended. Only a connection that owes no response may be written to out of
// turn (100 Continue, a rejection), and only a client that is owed none, or is still sending the one request that is,
// can be too slow. A client that has ended its own side (a half-close) is still owed its responses, so it changes
// nothing.

struct ConnectionState {
    typealias Instant = ContinuousClock.Instant

    /// What matters of a request's head.
    struct Head {
        /// Whether it is for images, which wait in the queue.
        var isForImages = false
        /// Whether the client wants the connection closed after the response. The router's way does that.
        var closesConnection = false
        /// Whether the client waits for 100 Continue before it sends the body.
        var expectsContinue = false
        /// As announced; 0 where it is not.
        var contentLength = 0
        /// The most that a body may have.
        var bodyLimit = Int.max
    }

    /// Why bytes are no request.
    enum Malformation: Equatable {
        case headTooLarge
        /// Chunks with extensions and trailers out of proportion to their data.
        case tooMuchOverhead
        case notHTTP(String)
    }

    /// Past the timeout a body must have come this fast on average; who takes a response at this rate is never hung up
    /// on for being slow.
    static let bytesPerSecond = 1024
    /// Of a request that has its response, at least as much body is discarded: far more than lies in a socket's
    /// buffers.
    static let leastDiscarded = 4 << 20
    /// How long a client has for its last response: closing throws away what it has not read yet.
    static let lastResponseGrace = Duration.seconds(1)

    /// A request that is being read.
    private struct Incoming {
        let isForImages: Bool
        let isRefused: Bool
        let bodyLimit: Int
        /// From when on its speed counts, what has come since, and when that is judged next.
        var start: Instant
        var bytes = 0
        var nextCheck: Instant
        /// Bytes that came after its response.
        var discarded = 0
    }

    /// How long a client may send nothing while something is expected of it, or take nothing.
    private let timeout: Duration
    private var incoming: Incoming?
    private var pendingResponses = 0
    private var lastActivity: Instant
    private var isDraining = false
    private var malformation: Malformation?
    /// Whether the response that is being written is the last.
    private var isLastResponse = false

    /// Writes that the client has not taken, since when it has taken none of them, and how much longer it may.
    private var untaken = 0
    private var untakenSince: Instant
    private var allowance: Duration
    /// When the timer fires; nil where it is not set.
    private var timer: Instant?

    /// Whether no request has come yet. A drain waits for those connections: their clients are late, not idle.
    private(set) var isNew = true

    /// A connection that is open from `now` on.
    init(timeout: Duration, at now: Instant) {
        self.timeout = timeout
        allowance = timeout
        lastActivity = now
        untakenSince = now
    }

    // MARK: - What comes

    enum HeadAction: Equatable {
        case forward
        /// Write 100 Continue, then forward.
        case inviteAndForward
        /// Write the rejection; nothing of the request is forwarded.
        case refuse(retryAfterSeconds: Int)
    }

    /// A head has come.
    ///
    /// - Parameters:
    ///   - canWrite: whether the client takes what is written. Were it refused all the same, rejections would pile up.
    ///   - secondsUntilRoom: when to retry; nil where the queue has room. Called only where it matters.
    mutating func readHead(
        _ head: Head, canWrite: Bool, at now: Instant, secondsUntilRoom: () -> Int?
    ) -> HeadAction {
        isNew = false
        lastActivity = now
        // 1. Load shedding: before the router, its tasks and the body, a rejection costs a fraction. Whoever wants the
        //    connection closed, or sends a body too large, gets that from behind the router.
        if pendingResponses == 0, canWrite, head.isForImages, !head.closesConnection,
            head.contentLength <= head.bodyLimit,
            let seconds = secondsUntilRoom()
        {
            incoming = makeIncoming(head, isRefused: true, at: now)
            return .refuse(retryAfterSeconds: seconds)
        }
        // 2. Invitation: a body announced too long gets none, its response is 413; and in the middle of another
        //    response an interim one would corrupt it.
        let isInvited = pendingResponses == 0 && head.expectsContinue && head.contentLength <= head.bodyLimit
        // 3. From here on the connection owes a response.
        pendingResponses += 1
        incoming = makeIncoming(head, isRefused: false, at: now)
        return isInvited ? .inviteAndForward : .forward
    }

    private func makeIncoming(_ head: Head, isRefused: Bool, at now: Instant) -> Incoming {
        Incoming(
            isForImages: head.isForImages, isRefused: isRefused, bodyLimit: head.bodyLimit, start: now,
            nextCheck: now + timeout)
    }

    enum BodyAction: Equatable {
        case forward
        case discard
        /// Discarding has an end, too.
        case close
    }

    /// Bytes of a body have come. What a client goes on sending after its response is read and thrown away, so that it
    /// comes to see the response.
    mutating func readBody(bytes: Int, at now: Instant) -> BodyAction {
        lastActivity = now
        guard var request = incoming else { return .forward }
        defer { incoming = request }
        request.bytes += bytes
        guard pendingResponses == 0 else { return .forward }
        request.discarded += bytes
        // A whole body, at least: who sends one may not look for a response before its end.
        if request.discarded > max(request.bodyLimit, Self.leastDiscarded) { return .close }
        return request.isRefused ? .discard : .forward
    }

    enum EndAction: Equatable {
        case forward
        /// Forward; the request is on its way to the queue, and nothing keeps it.
        case admitAndForward
        case discard
    }

    /// A request's end has come.
    mutating func readEnd(at now: Instant) -> EndAction {
        lastActivity = now
        defer { incoming = nil }
        guard let request = incoming else { return .forward }
        if request.isRefused { return .discard }
        return request.isForImages && pendingResponses == 1 ? .admitAndForward : .forward
    }

    /// The parser has refused what came. Whoever awaits a request learns of it and writes a bare 400.
    mutating func readMalformed(_ malformation: Malformation) {
        self.malformation = malformation
    }

    // MARK: - What goes

    enum ResponseAction: Equatable {
        case forward
        /// Write the problem in place of the head; the connection closes, for its next byte has no meaning.
        case replace(Malformation)
    }

    /// A response begins.
    ///
    /// - Parameters:
    ///   - isBare400: whether it is the parser's, a 400 without a body. Responses to requests before the malformed one
    ///     may still come, and none of those is.
    ///   - closesConnection: whether it says that the connection closes.
    mutating func writeHead(isBare400: Bool, closesConnection: Bool) -> ResponseAction {
        if untaken == 0 { allowance = timeout }
        if isBare400, let malformation {
            isLastResponse = true
            return .replace(malformation)
        }
        isLastResponse = closesConnection
        return .forward
    }

    enum ResponseEndAction: Equatable {
        case keepOpen
        case close
        /// Close once the client has had ``lastResponseGrace`` to read.
        case closeSoon
    }

    /// A response has ended. The request is out of the queue, however it ended.
    mutating func writeEnd(at now: Instant) -> ResponseEndAction {
        // What the parser refused may not have been counted as a request.
        pendingResponses = max(0, pendingResponses - 1)
        lastActivity = now
        if pendingResponses == 1, var request = incoming {
            // Behind its predecessor little of this request was read, if anything: it counts from here.
            request.start = now
            request.bytes = 0
            request.nextCheck = now + timeout
            incoming = request
        }
        if isDraining, pendingResponses == 0 { return .close }
        return isLastResponse ? .closeSoon : .keepOpen
    }

    /// Something is written that the client has to take.
    mutating func willSend(at now: Instant) {
        if untaken == 0 { untakenSince = now }
        untaken += 1
    }

    /// The client has taken it: a wait uses its allowance up, and what it takes brings that back.
    mutating func didSend(bytes: Int, at now: Instant) {
        untaken -= 1
        allowance = min(timeout, allowance - (now - untakenSince) + .seconds(bytes) / Self.bytesPerSecond)
        untakenSince = now
        lastActivity = now
    }

    // MARK: - Drain

    /// The server drains: whether to close at once. A response that is owed is written first.
    mutating func drain() -> Bool {
        isDraining = true
        return pendingResponses == 0
    }

    // MARK: - Time

    /// When to call ``timerFired(at:)``, where no call is due as early. Called after any event: a timer that fires
    /// without need costs less than one that is moved with every request.
    mutating func timerToSet() -> Instant? {
        guard let deadline, timer.map({ deadline < $0 }) ?? true else { return nil }
        timer = deadline
        return deadline
    }

    /// Whether to hang up: the client sends nothing while a request is awaited, lets its body trickle, or takes too
    /// little of a response.
    mutating func timerFired(at now: Instant) -> Bool {
        timer = nil
        if let deadline = idleDeadline, deadline <= now { return true }
        if let deadline = takingDeadline, deadline <= now { return true }
        if let check = bodyCheck, check <= now, var request = incoming {
            let seconds = (now - request.start) / .seconds(1)
            if Double(request.bytes) < Double(Self.bytesPerSecond) * seconds { return true }
            request.nextCheck = now + timeout
            incoming = request
        }
        return false
    }

    private var deadline: Instant? {
        var earliest = idleDeadline
        if let takingDeadline { earliest = min(earliest ?? takingDeadline, takingDeadline) }
        if let bodyCheck { earliest = min(earliest ?? bodyCheck, bodyCheck) }
        return earliest
    }

    /// Whether it is the client's turn. Behind a request that is being computed nothing is read, so then it is not.
    private var isClientsTurn: Bool { incoming == nil ? pendingResponses == 0 : pendingResponses <= 1 }

    private var idleDeadline: Instant? { isClientsTurn && untaken == 0 ? lastActivity + timeout : nil }

    /// A body's bytes count as activity, so at one per minute it would hold its connection, and its part of memory,
    /// for days.
    private var bodyCheck: Instant? { isClientsTurn ? incoming?.nextCheck : nil }

    private var takingDeadline: Instant? { untaken > 0 ? untakenSince + max(.zero, allowance) : nil }
}
