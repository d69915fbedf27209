// One request on its way: the images still to do, the results so far, and who waits for them.

import PixelCNNEngine
import Synchronization

/// All images of one request. Ends once: complete, cancelled, or failed.
final class Job: Sendable {
    let count: Int
    private let progress: JobProgress?
    private let makeTask: @Sendable (Int) -> ImageTask
    private let state: Mutex<State>

    private enum State {
        /// Nobody waits yet.
        case created
        case running(results: [ImageResult?], missing: Int, waiter: CheckedContinuation<[ImageResult], any Error>)
        case ended
    }

    /// `makeTask(i)` is image i's task; it is made when a worker takes the image up.
    init(count: Int, progress: JobProgress? = nil, makeTask: @escaping @Sendable (Int) -> ImageTask) {
        precondition(count > 0)
        (self.count, self.progress, self.makeTask) = (count, progress, makeTask)
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
        if !isStarted { waiter.resume(throwing: CancellationError()) }  // what ended it has ended its progress
        return isStarted
    }

    /// Takes in a row of image `image`.
    func finish(row: CompletedRow, of image: Int) {
        progress?.finish(row: row.row, of: image, count: row.count) { row.values }
    }

    /// Takes in image `image`'s result; the last one ends the job.
    func finish(image: Int, result: ImageResult) {
        if let progress, case .values(let values) = result { progress.finish(image: image, values: values) }
        let complete = state.withLock { state -> (CheckedContinuation<[ImageResult], any Error>, [ImageResult])? in
            guard case .running(var results, let missing, let waiter) = state else { return nil }
            state = .ended  // `results` is uniquely referenced while it changes
            results[image] = result
            if missing == 1 { return (waiter, results.compactMap { $0 }) }
            state = .running(results: results, missing: missing - 1, waiter: waiter)
            return nil
        }
        guard let (waiter, results) = complete else { return }
        progress?.end()
        waiter.resume(returning: results)
    }

    /// Ends the job without results, where it has not ended.
    func fail(_ error: any Error) {
        let waiter = state.withLock { state -> CheckedContinuation<[ImageResult], any Error>? in
            defer { state = .ended }
            guard case .running(_, _, let waiter) = state else { return nil }
            return waiter
        }
        progress?.end()
        waiter?.resume(throwing: error)
    }
}
