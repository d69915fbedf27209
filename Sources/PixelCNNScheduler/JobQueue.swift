// Where callers and workers meet: what waits, what is in flight, who has ended. One lock guards it all, and a worker
// takes it only when something has changed since it last looked: a counter, read between two pieces of work, tells.
// Status and refusals come from counts beside it.

import Foundation
import PixelCNNEngine
import Synchronization

/// Waiting jobs and the counts of everything in flight. Shared by callers and workers.
final class JobQueue: @unchecked Sendable {
    private let condition = NSCondition()
    private let threads: Int
    private let maximumQueuedImages: Int
    private var placement: Placement
    private let deadlines = Deadlines()
    private let counts = QueueCounts()
    private let counters: [WorkerCounters]  // of each worker

    /// What the queue knows of a worker besides its images.
    private struct WorkerState {
        let assistance: PerSize<Assistance>
        var hasHelp = false
    }
    private var workers: [Int: WorkerState] = [:]
    private let changeCount = Atomic<Int>(0)

    init(threads: Int, maximumQueuedImages: Int, imagesPerWorker: Int, maximumCacheBytes: Int) {
        (self.threads, self.maximumQueuedImages) = (threads, maximumQueuedImages)
        placement = Placement(workers: threads, capacity: imagesPerWorker, maximumCacheBytes: maximumCacheBytes)
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

    /// Lines up a job's images, unless it has ended.
    /// - Throws: ``SchedulerError/queueFull(retryAfterSeconds:)`` where others wait and these do not fit beside them.
    func admit(_ job: Job) throws(SchedulerError) {
        try checkRoom(for: job.count)
        condition.lock()
        defer { condition.unlock() }
        // Asked under the lock: who ends a job takes it out of the queue afterwards.
        if job.isEnded { return }
        try checkRoom(for: job.count)
        if let deadline = job.deadline, deadline <= .now { throw .deadlineExceeded }
        placement.append(job)
        deadlines.add(job)
        announceChange()
    }

    /// Refuses a job of `images` images that would not be admitted now. Takes no lock.
    func checkRoom(for images: Int, behind others: Int = 0) throws(SchedulerError) {
        if counts.isStopped { throw .stopped }
        let queued = counts.imagesQueued + others
        guard queued > 0, queued + images > maximumQueuedImages else { return }
        throw .queueFull(retryAfterSeconds: secondsToDrain(queued))
    }

    /// Takes out what is left of a job that has ended; images in flight leave before their worker's next piece.
    func remove(_ job: Job) {
        condition.withLock {
            placement.remove(job)
            deadlines.remove(job)
            announceChange()
        }
    }

    /// Refuses new jobs, sends the workers home, and returns the jobs that still waited.
    func stop() -> [Job] {
        condition.withLock {
            counts.stop()
            defer { announceChange() }
            return placement.removeAll()
        }
    }

    // MARK: - Workers

    /// What a worker without images does next.
    enum Turn {
        /// Something has changed.
        case look
        /// Help a worker that has a single image, until that ends or something changes; then say ``didHelp(_:)``.
        case help(worker: Int, Assistance)
    }

    /// Makes a worker known before its first turn; it counts what it does.
    func enlist(_ worker: Int, _ assistance: PerSize<Assistance>) -> WorkerCounters {
        condition.withLock { workers[worker] = WorkerState(assistance: assistance) }
        return counters[worker]
    }

    /// Grows whenever there may be something new for a worker: images to take, places, jobs that have ended, the end.
    var changes: Int { changeCount.load(ordering: .acquiring) }

    var shouldStop: Bool { counts.isStopped }

    /// Waits until there is something to do for `worker`, which has no images.
    func nextTurn(of worker: Int) -> Turn {
        condition.withLock {
            while true {
                if counts.isStopped || placement.canTake(worker: worker) || deadlines.havePassed(at: .now) {
                    return .look
                }
                if let (other, size) = placement.workerWithOneImage(where: { workers[$0]?.hasHelp == false }),
                    let assistance = workers[other]?.assistance[size]
                {
                    workers[other]?.hasHelp = true
                    return .help(worker: other, assistance)
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

    /// An image for a worker, where it has less than an equal share of all there are. That is a change, so the worker
    /// looks again.
    func takeImage(worker: Int) -> PendingImage? {
        condition.withLock {
            let taken = placement.take(worker: worker, most: 1).first
            if taken != nil { announceChange() }
            return taken
        }
    }

    /// Counts images that have left `worker`, `completed` of them with `values` values.
    func didLeave(_ worker: Int, _ images: [PendingImage], completed: Int, values: Int) {
        condition.withLock {
            placement.leave(worker: worker, images)
            counts.didComplete(images: completed, values: values)
            announceChange()
        }
    }

    /// Fails the jobs whose deadline has passed. Costs a comparison where there is none.
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
        counts.note(placement)
        changeCount.wrappingAdd(1, ordering: .releasing)
        condition.broadcast()
    }

    private var busySeconds: Double { counters.reduce(0) { $0 + $1.busySeconds } }

    /// When what waits now should have been taken up, by the speed so far: 1 … 60 seconds.
    private func secondsToDrain(_ queued: Int) -> Int {
        let completed = counts.status.imagesCompleted
        guard completed > 0 else { return 1 }
        let secondsAnImage = busySeconds / Double(completed) / Double(threads)
        return min(max(Int((Double(queued) * secondsAnImage).rounded(.up)), 1), 60)
    }
}
