// Work too large for one request: split into parts, sent a few at a time so that the daemon never idles, and received
// in order. All parts must come from one model. Sample runs, sharded runs and scores are such jobs.

import ImageFormats
import PixelCNNAPI
import Support

struct SplitJob: Sendable {
    /// The most images per request of a job whose parts overlap: past it a person waits long for the bar's next step.
    private static let mostImages = 512

    let client: DaemonClient
    let model: ModelDescription
    let display: ProgressDisplay
    let retries: RetryPolicy
    /// Requests at a time. What one of them leaves of the daemon's threads while it ends, the others take.
    var width = 3
    /// Whether a daemon that cannot be reached is waited for as a busy one is: it may be restarting.
    var outlastsRestarts = true

    // MARK: - Splitting

    /// The parts of `count` images, of at most `most` each.
    static func parts(of count: Int, most: Int) -> some Sequence<Range<Int>> & Sendable {
        stride(from: 0, to: count, by: most).lazy.map { $0..<min($0 + most, count) }
    }

    /// Images per request, each of `shape`: enough for all threads of the daemon, and no more than it takes.
    func imagesPerRequest(_ shape: SampledImages.Shape) -> Int {
        // A thread steps 64 images together.
        min(model.limits.images(ofValues: shape.count), Self.mostImages, 64 * max(1, model.threads))
    }

    // MARK: - Sending

    /// Sends a request until there is a response.
    ///
    /// - Parameter makeConsumer: as of ``DaemonClient/send(_:retries:report:makeConsumer:)``.
    /// - Throws: ``Failure``, also where another model, or another precision, responds than was described.
    func send(
        _ request: DaemonClient.Request, makeConsumer: (() -> HTTPExchange.Consumer)? = nil
    ) async throws -> HTTPResponse {
        var request = request
        let check = request.check
        request.check = { head throws(Failure) in
            try model.checkOrigin(head)
            if 200..<300 ~= head.status.code { try check(head) }
        }
        var attempts = RetryPolicy.Retries(retries)
        var client = client
        if outlastsRestarts { client.startWait = .zero }
        while true {
            do {
                return try await client.send(
                    request, retries: retries, report: display.note, makeConsumer: makeConsumer)
            } catch let failure as Failure where outlastsRestarts && failure.status == .unavailable {
                guard let pause = attempts.pause(atLeast: 1) else { throw failure }
                display.note("\(failure.message); trying again")
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Sends the parts of a job, `width` at a time, and hands over what comes back in the parts' order.
    ///
    /// - Parameters:
    ///   - next: the next part, nil at the end.
    ///   - send: sends a part and returns its result; runs several times at once.
    ///   - receive: gets each result, one after the other.
    func inOrder<Part: Sendable, Result: Sendable>(
        _ next: () throws -> Part?, send: @escaping @Sendable (Part) async throws -> Result,
        receive: (Result) throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            var begun = 0
            var received = 0
            var results: [Int: Result] = [:]  // that have come before their turn
            while true {
                while begun - received < width, let part = try next() {
                    group.addTask { [begun] in (begun, try await send(part)) }
                    begun += 1
                }
                guard received < begun else { return }
                while results[received] == nil, let (number, result) = try await group.next() {
                    results[number] = result
                }
                if let result = results.removeValue(forKey: received) { try receive(result) }
                received += 1
            }
        }
    }
}

extension SampleRequest {
    /// The request of a part of this one's images, all of one class where there are classes.
    func part(_ images: Range<Int>, label: Int?) -> SampleRequest {
        var part = self
        part.n = images.count
        part.firstIndex += UInt64(images.lowerBound)
        part.label = label.map(ClassLabel.number)
        return part
    }
}
