// One request on its way: the images still to do, the results so far, and who waits for them.

import PixelCNNEngine
import Synchronization

/// All images of one request. Ends once: complete, cancelled, late, or failed.
final class Job: Sendable {
    let count: Int
    let size: JobSize
    /// Memory of each image in flight.
    let cacheBytesAnImage: Int
    let deadline: ContinuousClock.Instant?
    /// When the job came.
    let arrival = ContinuousClock.now
    /// Images that workers have: written by the queue.
    let imagesInFlight = Atomic<Int>(0)

    /// Called when the first image is taken up, with the seconds that the job has waited.
    let started: (@Sendable (Double) -> Void)?

    private let progress: JobProgress?
    private let makeTask: @Sendable (Int) -> ImageTask
    private let hasEnded = Atomic<Bool>(false)
    private let state: Mutex<State>

    private enum State {
        /// Nobody waits yet.
        case created
        /// `results` is empty where they go to `progress` instead.
        case running(results: [ImageResult?], missing: Int, waiter: CheckedContinuation<[ImageResult], any Error>)
        case ended
    }

    /// `makeTask(i)` is image i's task; it is made when a worker takes the image up.
    init(
        count: Int, size: JobSize, cacheBytesAnImage: Int, deadline: ContinuousClock.Instant? = nil,
        progress: JobProgress? = nil, started: (@Sendable (Double) -> Void)? = nil,
        makeTask: @escaping @Sendable (Int) -> ImageTask
    ) {
        precondition(count > 0)
        (self.count, self.size) = (count, size)
        (self.cacheBytesAnImage, self.deadline) = (cacheBytesAnImage, deadline)
        (self.progress, self.started, self.makeTask) = (progress, started, makeTask)
        state = Mutex(.created)
    }

    func task(_ image: Int) -> ImageTask { makeTask(image) }

    /// Whether nobody wants the job's images any more.
    var isEnded: Bool { hasEnded.load(ordering: .acquiring) }

    /// Registers who waits; false, and the waiter is told, where the job was cancelled before.
    func start(_ waiter: CheckedContinuation<[ImageResult], any Error>) -> Bool {
        let isStarted = state.withLock { state in
            guard case .created = state else { return false }
            let results = progress == nil ? [ImageResult?](repeating: nil, count: count) : []
            state = .running(results: results, missing: count, waiter: waiter)
            return true
        }
        if !isStarted { waiter.resume(throwing: CancellationError()) }
        return isStarted
    }

    /// Takes in a row of image `image`.
    func finish(row: CompletedRow, of image: Int) {
        progress?.finish(row: row.row, of: image, count: row.count) { row.values }
    }

    /// Takes in image `image`'s result; the last one ends the job. Only a job without progress keeps them.
    func finish(image: Int, result: ImageResult) {
        if let progress, case .values(let values) = result { progress.finish(image: image, values: values) }
        let complete = state.withLock { state -> (CheckedContinuation<[ImageResult], any Error>, [ImageResult])? in
            guard case .running(var results, let missing, let waiter) = state else { return nil }
            state = .ended  // `results` is uniquely referenced while it changes
            if progress == nil { results[image] = result }
            if missing == 1 { return (waiter, results.compactMap { $0 }) }
            state = .running(results: results, missing: missing - 1, waiter: waiter)
            return nil
        }
        guard let (waiter, results) = complete else { return }
        didEnd()
        waiter.resume(returning: results)
    }

    /// Ends the job without results, where it has not ended.
    func fail(_ error: any Error) {
        let waiter = state.withLock { state -> CheckedContinuation<[ImageResult], any Error>? in
            defer { state = .ended }
            guard case .running(_, _, let waiter) = state else { return nil }
            return waiter
        }
        didEnd()
        waiter?.resume(throwing: error)
    }

    private func didEnd() {
        hasEnded.store(true, ordering: .releasing)
        progress?.end()
    }
}
