// Where callers and workers meet: what waits, what is in flight, who has ended. One lock guards it all, and a worker
// takes it only when something has changed since it last looked: a counter, read between two pieces of work, tells.

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
    private var imagesCompleted: UInt64 = 0
    private var valuesDrawn: UInt64 = 0
    private var isStopped = false

    /// What the queue knows of a worker besides its images.
    private struct WorkerState {
        let assistance: PerSize<Assistance>
        let counters: WorkerCounters
        var hasHelp = false
    }
    private var workers: [Int: WorkerState] = [:]
    private let changeCount = Atomic<Int>(0)

    init(threads: Int, maximumQueuedImages: Int, imagesPerWorker: Int, maximumCacheBytes: Int) {
        (self.threads, self.maximumQueuedImages) = (threads, maximumQueuedImages)
        placement = Placement(workers: threads, capacity: imagesPerWorker, maximumCacheBytes: maximumCacheBytes)
    }

    var status: SchedulerStatus {
        condition.withLock {
            var status = SchedulerStatus()
            (status.requestsInFlight, status.requestsQueued) = (placement.requestsInFlight, placement.requestsQueued)
            (status.imagesInFlight, status.imagesQueued) = (placement.imagesInFlight, placement.imagesQueued)
            (status.imagesCompleted, status.valuesDrawn) = (imagesCompleted, valuesDrawn)
            status.threads = threads
            status.busySeconds = busySeconds
            status.steps = workers.values.reduce(0) { $0 + $1.counters.steps }
            status.imageSteps = workers.values.reduce(0) { $0 + $1.counters.imageSteps }
            return status
        }
    }

    // MARK: - Callers

    /// Lines up a job's images, unless it has ended.
    /// - Throws: ``SchedulerError/queueFull(retryAfterSeconds:)`` where others wait and these do not fit beside them.
    func admit(_ job: Job) throws(SchedulerError) {
        condition.lock()
        defer { condition.unlock() }
        // Asked under the lock: who ends a job takes it out of the queue afterwards.
        if job.isEnded { return }
        if let refusal = refusal(of: job.count) { throw refusal }
        if let deadline = job.deadline, deadline <= .now { throw .deadlineExceeded }
        placement.append(job)
        deadlines.add(job)
        announceChange()
    }

    /// Why a job of `images` images would not be admitted now.
    func checkRoom(for images: Int) throws(SchedulerError) {
        if let refusal = condition.withLock({ refusal(of: images) }) { throw refusal }
    }

    /// Under the lock.
    private func refusal(of images: Int) -> SchedulerError? {
        if isStopped { return .stopped }
        guard placement.imagesQueued > 0, placement.imagesQueued + images > maximumQueuedImages else { return nil }
        return .queueFull(retryAfterSeconds: secondsToDrain())
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
            isStopped = true
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

    /// Makes a worker known before its first turn.
    func enlist(_ worker: Int, _ assistance: PerSize<Assistance>, _ counters: WorkerCounters) {
        condition.withLock { workers[worker] = WorkerState(assistance: assistance, counters: counters) }
    }

    /// Grows whenever there may be something new for a worker: images to take, places, jobs that have ended, the end.
    var changes: Int { changeCount.load(ordering: .acquiring) }

    var shouldStop: Bool { condition.withLock { isStopped } }

    /// Waits until there is something to do for `worker`, which has no images.
    func nextTurn(of worker: Int) -> Turn {
        condition.withLock {
            while true {
                if isStopped || placement.canTake(worker: worker) || deadlines.havePassed(at: .now) { return .look }
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
            imagesCompleted += UInt64(completed)
            valuesDrawn += UInt64(values)
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
        changeCount.wrappingAdd(1, ordering: .releasing)
        condition.broadcast()
    }

    private var busySeconds: Double { workers.values.reduce(0) { $0 + $1.counters.busySeconds } }

    /// When what waits now should have been taken up, by the speed so far: 1 … 60 seconds.
    private func secondsToDrain() -> Int {
        guard imagesCompleted > 0 else { return 1 }
        let secondsAnImage = busySeconds / Double(imagesCompleted) / Double(threads)
        return min(max(Int((Double(placement.imagesQueued) * secondsAnImage).rounded(.up)), 1), 60)
    }
}
