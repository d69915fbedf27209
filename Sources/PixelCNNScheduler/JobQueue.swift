// Where callers and workers meet: what waits, what is in flight, who has ended. One lock guards it all. A worker takes
// it only when a counter, which it reads between two pieces of work, says that something has changed. Status and
// rejections take no lock: they come from counts beside it.

import Foundation
import PixelCNNEngine
import Synchronization

/// Waiting jobs and the counts of everything in flight. Shared by callers and workers.
final class JobQueue: @unchecked Sendable {
    private let condition = NSCondition()
    private let threads: Int
    private let maximumQueuedImages: Int
    private var dispatcher: Dispatcher
    private let deadlines = Deadlines()
    private let counts = QueueCounts()
    private let counters: [WorkerCounters]  // of each worker

    /// What the queue knows of a worker besides its images.
    private struct WorkerState {
        let helperThread: PerSize<HelperThread>
        var hasHelp = false
    }
    private var workers: [Int: WorkerState] = [:]
    private let changeCount = Atomic<Int>(0)

    init(threads: Int, maximumQueuedImages: Int, imagesPerWorker: Int, maximumCacheBytes: Int) {
        self.threads = threads
        self.maximumQueuedImages = maximumQueuedImages
        dispatcher = Dispatcher(workers: threads, capacity: imagesPerWorker, maximumCacheBytes: maximumCacheBytes)
        counters = (0..<threads).map { _ in WorkerCounters() }
    }

    /// Takes no lock.
    var status: SchedulerStatus {
        var status = counts.status
        status.threads = threads
        status.busySeconds = busySeconds
        status.steps = counters.reduce(0) { $0 + $1.steps }
        status.imageSteps = counters.reduce(0) { $0 + $1.imageSteps }
        return status
    }

    // MARK: - Callers

    /// Queues a job's images, unless it has ended.
    /// - Throws: ``SchedulerError/queueFull(retryAfterSeconds:)`` where others wait and these do not fit beside them.
    func admit(_ job: Job) throws(SchedulerError) {
        try checkRoom(for: job.count)
        condition.lock()
        defer { condition.unlock() }
        // Under the lock: whoever ends a job takes it out of the queue afterwards.
        if job.isEnded { return }
        try checkRoom(for: job.count)
        if let deadline = job.deadline, deadline <= .now { throw .deadlineExceeded }
        dispatcher.append(job)
        deadlines.add(job)
        announceChange()
    }

    /// Refuses a job of `images` images that would not be admitted now. Takes no lock.
    /// - Parameter others: images that will have been queued before it.
    func checkRoom(for images: Int, behind others: Int = 0) throws(SchedulerError) {
        if counts.isStopped { throw .stopped }
        let queued = counts.imagesQueued + others
        guard queued > 0, queued + images > maximumQueuedImages else { return }
        throw .queueFull(retryAfterSeconds: secondsToDrain(queued))
    }

    /// Takes out what is left of a job that has ended; images in flight leave before their worker's next piece.
    func remove(_ job: Job) {
        condition.withLock {
            dispatcher.remove(job)
            deadlines.remove(job)
            announceChange()
        }
    }

    /// Refuses new jobs, ends the workers, and returns the jobs that still waited.
    func stop() -> [Job] {
        condition.withLock {
            counts.stop()
            defer { announceChange() }
            return dispatcher.removeAll()
        }
    }

    // MARK: - Workers

    /// What a worker without images does next.
    enum Turn {
        /// Something has changed.
        case poll
        /// Help a worker that has a single image, until that ends or something changes; then say ``didHelp(_:)``.
        case help(worker: Int, HelperThread)
    }

    /// Adds a worker, before its first turn, and returns the counters that it keeps.
    func join(_ worker: Int, _ helperThread: PerSize<HelperThread>) -> WorkerCounters {
        condition.withLock { workers[worker] = WorkerState(helperThread: helperThread) }
        return counters[worker]
    }

    /// Grows whenever there may be something new for a worker: images to take, room for them, jobs that have ended, the
    /// end.
    var changes: Int { changeCount.load(ordering: .acquiring) }

    var shouldStop: Bool { counts.isStopped }

    /// Waits until there is something to do for `worker`, which has no images.
    func nextTurn(of worker: Int) -> Turn {
        condition.withLock {
            while true {
                if counts.isStopped || dispatcher.canTake(worker: worker) || deadlines.havePassed(at: .now) {
                    return .poll
                }
                if let (other, size) = dispatcher.workerWithOneImage(where: { workers[$0]?.hasHelp == false }),
                    let helperThread = workers[other]?.helperThread[size]
                {
                    workers[other]?.hasHelp = true
                    return .help(worker: other, helperThread)
                }
                if let deadline = deadlines.first {
                    _ = condition.wait(until: Date(timeIntervalSinceNow: (deadline - .now).seconds))
                } else {
                    condition.wait()
                }
            }
        }
    }

    /// The worker is without help again.
    func didHelp(_ worker: Int) {
        condition.withLock { workers[worker]?.hasHelp = false }
    }

    /// An image for a worker which has less than an equal share of all there are. That is a change, so the worker polls
    /// again.
    func takeImage(worker: Int) -> AssignedImage? {
        condition.withLock {
            let taken = dispatcher.take(worker: worker, maximum: 1).first
            if taken != nil { announceChange() }
            return taken
        }
    }

    /// Counts images that have left `worker`, `completed` of them with `values` values.
    func didLeave(_ worker: Int, _ images: [AssignedImage], completed: Int, values: Int) {
        condition.withLock {
            dispatcher.leave(worker: worker, images)
            counts.didComplete(images: completed, values: values)
            announceChange()
        }
    }

    /// Fails the jobs whose deadline has passed. Costs one comparison where there is none.
    func failLateJobs(at now: ContinuousClock.Instant) {
        guard deadlines.havePassed(at: now) else { return }
        let late = condition.withLock { deadlines.removePassed(at: now) }
        for job in late {
            job.fail(SchedulerError.deadlineExceeded)
            remove(job)
        }
    }

    /// Under the lock.
    private func announceChange() {
        counts.note(dispatcher)
        changeCount.wrappingAdd(1, ordering: .releasing)
        condition.broadcast()
    }

    private var busySeconds: Double { counters.reduce(0) { $0 + $1.busySeconds } }

    /// How long it should take until all that waits now has been taken up, by the speed so far.
    private func secondsToDrain(_ queued: Int) -> Int {
        let bounds = SchedulerError.retryAfterSeconds
        let completed = counts.status.imagesCompleted
        guard completed > 0 else { return bounds.lowerBound }
        let secondsPerImage = busySeconds / Double(completed) / Double(threads)
        let seconds = Int((Double(queued) * secondsPerImage).rounded(.up))
        return min(max(seconds, bounds.lowerBound), bounds.upperBound)
    }
}

// MARK: - Deadlines

/// Jobs by their deadlines. There is no timer per job: workers compare the clock, which they read anyway, with the
/// earliest deadline after each piece, and only a deadline that has passed costs more than that. Changed under the
/// queue's lock, read without.
private final class Deadlines: @unchecked Sendable {
    private let origin = ContinuousClock.now
    private let earliest = Atomic<Int64>(.max)  // nanoseconds after `origin`; of jobs that may have ended
    private var jobs: [ObjectIdentifier: (job: Job, deadline: ContinuousClock.Instant)] = [:]

    /// Whether a deadline has passed; the job may have ended.
    func havePassed(at now: ContinuousClock.Instant) -> Bool {
        let earliest = earliest.load(ordering: .relaxed)
        return earliest != .max && earliest <= (now - origin).nanoseconds
    }

    /// The earliest deadline, of a job that may have ended.
    var first: ContinuousClock.Instant? {
        let earliest = earliest.load(ordering: .relaxed)
        return earliest == .max ? nil : origin + .nanoseconds(earliest)
    }

    func add(_ job: Job) {
        guard let deadline = job.deadline else { return }
        jobs[ObjectIdentifier(job)] = (job, deadline)
        let new = (deadline - origin).nanoseconds
        if new < earliest.load(ordering: .relaxed) { earliest.store(new, ordering: .relaxed) }
    }

    func remove(_ job: Job) { jobs[ObjectIdentifier(job)] = nil }

    /// Takes out the jobs whose deadline has passed.
    func removePassed(at now: ContinuousClock.Instant) -> [Job] {
        let late = jobs.values.filter { $0.deadline <= now }.map(\.job)
        for job in late { remove(job) }
        let next = jobs.values.map(\.deadline).min()
        earliest.store(next.map { ($0 - origin).nanoseconds } ?? .max, ordering: .relaxed)
        return late
    }
}
