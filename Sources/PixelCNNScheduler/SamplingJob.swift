// What the scheduler is given, and what a request becomes there: a job is all images of one request, each of which is
// computed on its own. The job collects the results; a reader may follow them while it runs. A worker pays an addition
// per row for that, and a copy of the row only where rows are streamed.

import DequeModule
import Foundation
import PixelCNNEngine
import Synchronization

// Four values of the engine's are part of a job or of the status: named here, so that whoever gives jobs to the
// scheduler needs no engine.
package typealias SamplingParameters = PixelCNNEngine.SamplingParameters
package typealias GivenPixels = PixelCNNEngine.GivenPixels
package typealias PrefixCacheStatus = PixelCNNEngine.PrefixCacheStatus
package typealias DrawLogProbabilities = PixelCNNEngine.DrawLogProbabilities

// MARK: - What is given

/// Images to sample: `count` of them, numbered from `firstIndex`. Nothing is checked here.
package struct SamplingJob: Sendable {
    /// Images, ≥ 1.
    package var count: Int
    /// The seed that all of them share.
    package var seed: UInt64
    /// The index of the first image; `firstIndex + count` ≤ 2⁶⁴.
    package var firstIndex: UInt64
    package var height: Int
    package var width: Int
    /// The images' class, where the model is conditional.
    package var label: Int?
    /// How values are sampled; must be valid for the model.
    package var parameters: SamplingParameters
    /// Pixels that are given and not sampled, of an image of this size; the same for all images.
    package var given: GivenPixels?
    /// Whether the log-probabilities of drawn values are wanted, too.
    package var measuresDraws = false
    /// When the job fails, waiting or running, with ``SchedulerError/deadlineExceeded``; nil for never.
    package var deadline: ContinuousClock.Instant?
    /// Called by a compute thread when it takes up the first image, with the seconds that the job has waited.
    package var started: (@Sendable (_ queueSeconds: Double) -> Void)?

    package init(
        count: Int, seed: UInt64, firstIndex: UInt64 = 0, height: Int, width: Int, label: Int? = nil,
        parameters: SamplingParameters = SamplingParameters(), given: GivenPixels? = nil,
        deadline: ContinuousClock.Instant? = nil
    ) {
        self.count = count
        self.seed = seed
        self.firstIndex = firstIndex
        self.height = height
        self.width = width
        self.label = label
        self.parameters = parameters
        self.given = given
        self.deadline = deadline
    }
}

/// Sampled images.
package struct SampledValues: Sendable, Equatable {
    /// Values 0 … d − 1, (count, C, height, width).
    package var values: [UInt16]
    /// In the same order; nil where they were not wanted.
    package var logProbabilities: DrawLogProbabilities?

    package init(values: [UInt16], logProbabilities: DrawLogProbabilities? = nil) {
        self.values = values
        self.logProbabilities = logProbabilities
    }
}

/// Images whose log-probabilities are wanted. Nothing is checked here.
package struct ScoringJob: Sendable {
    /// Values 0 … d − 1, (count, C, height, width).
    package var values: [UInt16]
    /// Images, ≥ 1.
    package var count: Int
    package var height: Int
    package var width: Int
    /// The images' class, where the model is conditional.
    package var label: Int?
    /// Called by a compute thread when it takes up the first image, with the seconds that the job has waited.
    package var started: (@Sendable (_ queueSeconds: Double) -> Void)?

    package init(values: [UInt16], count: Int, height: Int, width: Int, label: Int? = nil) {
        self.values = values
        self.count = count
        self.height = height
        self.width = width
        self.label = label
    }
}

/// Why a job was not done.
package enum SchedulerError: Error, Equatable {
    /// How long a caller is sent away for, in seconds.
    package static let retryAfterSeconds = 1...60

    /// The queue has no room for the job's images now; it should have in about that time.
    case queueFull(retryAfterSeconds: Int)
    /// The job's deadline passed before all its images were complete.
    case deadlineExceeded
    /// The scheduler has stopped.
    case stopped
}

// MARK: - What a reader follows

/// One thing that a running job has completed. `image` counts from 0 within the job.
package enum JobUpdate: Sendable, Equatable {
    /// A row's values, (C, W).
    case row(image: Int, row: Int, values: [UInt16])
    /// An image's values, (C, H, W), and their log-probabilities where those are wanted; its rows came before.
    case image(Int, values: [UInt16], logProbabilities: DrawLogProbabilities? = nil)
}

/// The progress of one job: made for it, given to ``Scheduler/stream(_:to:)``, read meanwhile. Workers write and a
/// reader pulls at its own pace; neither waits for the other. A slow reader costs no more memory than the job's values,
/// once as rows and once as images.
package final class JobProgress: @unchecked Sendable {
    /// Yields when something has changed since the last element was taken; of several changes only one is kept.
    /// Finishes when the job has ended, whichever way. For one reader.
    package let changes: AsyncStream<Void>

    private let streamsRows: Bool
    private let signal: AsyncStream<Void>.Continuation
    private let values = Atomic<Int>(0)
    private let images = Atomic<Int>(0)
    private let known = Atomic<Int>(0)
    // No Mutex, whose order ThreadSanitizer does not see.
    private let lock = NSLock()
    private var updates: Deque<JobUpdate> = []

    /// Without `streamsRows` there are updates of whole images only.
    package init(streamsRows: Bool) {
        self.streamsRows = streamsRows
        (changes, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Values that are sampled or given, of count · C · H · W.
    package var valuesDone: Int { values.load(ordering: .relaxed) }

    /// Images that are complete.
    package var imagesDone: Int { images.load(ordering: .relaxed) }

    /// Given rows of all images that were known already, so that nothing of them was computed.
    package var rowsKnown: Int { known.load(ordering: .relaxed) }

    /// The oldest update that has not been taken yet.
    package func takeUpdate() -> JobUpdate? { lock.withLock { updates.popFirst() } }

    /// Takes in a row of `count` values, (C, W); `makeValues` is called where rows are streamed.
    package func finish(
        row: Int, of image: Int, count: Int, isKnown: Bool = false, values makeValues: () -> [UInt16]
    ) {
        if streamsRows {
            let update = JobUpdate.row(image: image, row: row, values: makeValues())
            lock.withLock { updates.append(update) }
        }
        values.wrappingAdd(count, ordering: .relaxed)
        if isKnown { known.wrappingAdd(1, ordering: .relaxed) }
        signal.yield()
    }

    /// Takes in a complete image, (C, H, W), whose rows have been taken in.
    package func finish(image: Int, values: [UInt16], logProbabilities: DrawLogProbabilities? = nil) {
        lock.withLock { updates.append(.image(image, values: values, logProbabilities: logProbabilities)) }
        images.wrappingAdd(1, ordering: .relaxed)
        signal.yield()
    }

    /// The job has ended.
    package func end() { signal.finish() }

    /// Wakes the reader of ``changes`` although nothing has changed: readers have other things to do, too.
    package func wake() { signal.yield() }
}

// MARK: - What runs

/// Small and large jobs are stepped apart: a step of 64 images takes many times as long as one of a single image, so an
/// image which joined them would take as long as they do. A worker has a session for each size and gives each its share
/// of the time. An image of many pixels is large, too, as it holds its place for long.
enum JobSize: CaseIterable {
    case small, large

    /// So few images are stepped at close to one image's speed.
    private static let maximumImagesOfSmall = 4

    /// - Parameters:
    ///   - images: of the job.
    ///   - pixels: of an image.
    ///   - modelPixels: of an image of the model's own size.
    init(images: Int, pixels: Int, modelPixels: Int) {
        let maximum = Self.maximumImagesOfSmall
        self = images <= maximum && images * pixels <= maximum * modelPixels ? .small : .large
    }
}

/// A value for each size.
struct PerSize<Value> {
    var small: Value
    var large: Value

    subscript(size: JobSize) -> Value {
        get { size == .small ? small : large }
        set { if size == .small { small = newValue } else { large = newValue } }
    }
}

extension PerSize: Sendable where Value: Sendable {}

extension PerSize where Value: AdditiveArithmetic {
    static var zero: PerSize { PerSize(small: .zero, large: .zero) }

    var total: Value { small + large }
}

/// All images of one request on their way: the results so far, and who waits for them. Ends once: complete, cancelled,
/// late, or failed.
final class Job: Sendable {
    let count: Int
    let size: JobSize
    /// Memory of each image in flight.
    let cacheBytesPerImage: Int
    let deadline: ContinuousClock.Instant?
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

    /// `makeTask(i)` is image i's task; it is made when a worker takes up the image.
    init(
        count: Int, size: JobSize, cacheBytesPerImage: Int, deadline: ContinuousClock.Instant? = nil,
        progress: JobProgress? = nil, started: (@Sendable (Double) -> Void)? = nil,
        makeTask: @escaping @Sendable (Int) -> ImageTask
    ) {
        precondition(count > 0)
        self.count = count
        self.size = size
        self.cacheBytesPerImage = cacheBytesPerImage
        self.deadline = deadline
        self.progress = progress
        self.started = started
        self.makeTask = makeTask
        state = Mutex(.created)
    }

    func task(_ image: Int) -> ImageTask { makeTask(image) }

    /// Whether nobody wants the job's images any more.
    var isEnded: Bool { hasEnded.load(ordering: .acquiring) }

    /// Registers who waits. Returns false where the job has been cancelled before; the waiter is resumed then.
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
        progress?.finish(row: row.row, of: image, count: row.count, isKnown: row.isKnown) { row.values }
    }

    /// Takes in image `image`'s result; the last one ends the job. Only a job without progress keeps them.
    func finish(image: Int, result: ImageResult) {
        if let progress {
            switch result {
            case .values(let values): progress.finish(image: image, values: values)
            case .measuredValues(let values, let logProbabilities):
                progress.finish(image: image, values: values, logProbabilities: logProbabilities)
            case .logProbabilities: break
            }
        }
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
