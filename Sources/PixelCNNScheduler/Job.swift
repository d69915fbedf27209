// One request on its way: the images still to do, the results so far, and who waits for them.

import PixelCNNEngine
import Synchronization

/// All images of one request. Ends once: complete, cancelled, or failed.
final class Job: Sendable {
    let count: Int
    private let makeTask: @Sendable (Int) -> ImageTask
    private let state: Mutex<State>

    private enum State {
        /// Nobody waits yet.
        case created
        case running(results: [ImageResult?], missing: Int, waiter: CheckedContinuation<[ImageResult], any Error>)
        case ended
    }

    /// `makeTask(i)` is image i's task; it is made when a worker takes the image up.
    init(count: Int, makeTask: @escaping @Sendable (Int) -> ImageTask) {
        precondition(count > 0)
        (self.count, self.makeTask) = (count, makeTask)
        state = Mutex(.created)
    }

    func task(_ image: Int) -> ImageTask { makeTask(image) }

    var isEnded: Bool {
        state.withLock { if case .ended = $0 { true } else { false } }
    }

    /// Registers who waits; false, and the waiter is told, where the job was cancelled before.
    func start(_ waiter: CheckedContinuation<[ImageResult], any Error>) -> Bool {
        let isStarted = state.withLock { state in
            guard case .created = state else { return false }
            state = .running(results: Array(repeating: nil, count: count), missing: count, waiter: waiter)
            return true
        }
        if !isStarted { waiter.resume(throwing: CancellationError()) }
        return isStarted
    }

    /// Takes in image `image`'s result; the last one ends the job.
    func finish(image: Int, result: ImageResult) {
        let complete = state.withLock { state -> (CheckedContinuation<[ImageResult], any Error>, [ImageResult])? in
            guard case .running(var results, let missing, let waiter) = state else { return nil }
            state = .ended  // `results` is uniquely referenced while it changes
            results[image] = result
            if missing == 1 { return (waiter, results.compactMap { $0 }) }
            state = .running(results: results, missing: missing - 1, waiter: waiter)
            return nil
        }
        if let (waiter, results) = complete { waiter.resume(returning: results) }
    }

    /// Ends the job without results, where it has not ended.
    func fail(_ error: any Error) {
        let waiter = state.withLock { state -> CheckedContinuation<[ImageResult], any Error>? in
            defer { state = .ended }
            guard case .running(_, _, let waiter) = state else { return nil }
            return waiter
        }
        waiter?.resume(throwing: error)
    }
}
