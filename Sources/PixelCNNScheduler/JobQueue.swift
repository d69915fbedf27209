// The images that wait for a worker. Jobs take turns, an image each, so that a small request does not wait for all of a
// large one; workers take equal shares, so that all cores finish together.

import DequeModule
import Foundation
import PixelCNNEngine
import Synchronization

/// An image of a job, as a worker holds it.
struct PendingImage: Sendable {
    let job: Job
    let image: Int
}

/// Waiting jobs and the counts of everything in flight. Shared by callers and workers; one lock guards it all.
final class JobQueue: @unchecked Sendable {
    private struct WaitingJob {
        let job: Job
        var nextImage = 0
    }

    private let condition = NSCondition()
    private let threads: Int
    private let maximumQueuedImages: Int
    private var waiting = Deque<WaitingJob>()
    private var counts = SchedulerStatus()
    private var imagesOfRunningJobs: [ObjectIdentifier: Int] = [:]
    private var busySeconds = 0.0
    private var isStopped = false

    /// What the queue knows of a worker.
    private struct WorkerState {
        let assistance: Assistance
        var load = 0
        var hasHelp = false
    }
    private var workers: [Int: WorkerState] = [:]
    /// Whether a worker that helps another should look here: readable without the lock, every few microseconds.
    private let callsForWorkers = Atomic<Bool>(false)

    init(threads: Int, maximumQueuedImages: Int) {
        (self.threads, self.maximumQueuedImages) = (threads, maximumQueuedImages)
        counts.threads = threads
    }

    var status: SchedulerStatus {
        condition.withLock {
            var status = counts
            status.requestsInFlight = imagesOfRunningJobs.count
            status.requestsQueued = waiting.count { $0.nextImage == 0 }
            return status
        }
    }

    // MARK: - Callers

    /// Lines up a job's images.
    /// - Throws: ``SchedulerError/queueFull(retryAfterSeconds:)`` where others wait and these do not fit beside them.
    func admit(_ job: Job) throws(SchedulerError) {
        condition.lock()
        defer { condition.unlock() }
        if isStopped { throw .stopped }
        if counts.imagesQueued > 0 && counts.imagesQueued + job.count > maximumQueuedImages {
            throw .queueFull(retryAfterSeconds: secondsToDrain())
        }
        waiting.append(WaitingJob(job: job))
        counts.imagesQueued += job.count
        callsForWorkers.store(true, ordering: .relaxed)
        condition.broadcast()
    }

    /// Takes a job's waiting images out; those in flight leave with their worker's next step.
    func remove(_ job: Job) {
        condition.withLock {
            guard let place = waiting.firstIndex(where: { $0.job === job }) else { return }
            counts.imagesQueued -= job.count - waiting[place].nextImage
            waiting.remove(at: place)
            callsForWorkers.store(!waiting.isEmpty, ordering: .relaxed)
        }
    }

    /// Refuses new jobs, sends the workers home, and returns the jobs that still waited.
    func stop() -> [Job] {
        condition.withLock {
            isStopped = true
            let jobs = waiting.map(\.job)
            waiting.removeAll()
            counts.imagesQueued = 0
            callsForWorkers.store(true, ordering: .relaxed)
            condition.broadcast()
            return jobs
        }
    }

    // MARK: - Workers

    /// What a worker without images does next.
    enum Turn {
        case takeImages
        /// Help a worker that has a single image, until that ends or ``isCalling``; then say ``didHelp(_:)``.
        case help(worker: Int, Assistance)
        case end
    }

    /// Makes a worker known before its first turn.
    func enlist(_ worker: Int, _ assistance: Assistance) {
        condition.withLock { workers[worker] = WorkerState(assistance: assistance) }
    }

    /// Waits until there is something to do for a worker without images.
    func nextTurn() -> Turn {
        condition.withLock {
            while true {
                if isStopped { return .end }
                if !waiting.isEmpty { return .takeImages }
                if let (worker, state) = workers.first(where: { $0.value.load == 1 && !$0.value.hasHelp }) {
                    workers[worker]?.hasHelp = true
                    return .help(worker: worker, state.assistance)
                }
                condition.wait()
            }
        }
    }

    /// Whether there are images to take, or the end has come.
    var isCalling: Bool { callsForWorkers.load(ordering: .relaxed) }

    /// The worker is without help again.
    func didHelp(_ worker: Int) {
        condition.withLock { workers[worker]?.hasHelp = false }
    }

    var shouldStop: Bool { condition.withLock { isStopped } }

    /// Images for a worker with room for `capacity` in all: up to an equal share of all there are.
    func take(worker: Int, capacity: Int) -> [PendingImage] {
        condition.lock()
        defer { condition.unlock() }
        guard counts.imagesQueued > 0, let load = workers[worker]?.load else { return [] }
        let share = (counts.imagesInFlight + counts.imagesQueued + threads - 1) / threads
        var taken: [PendingImage] = []
        while load + taken.count < min(share, capacity), var next = waiting.popFirst() {
            taken.append(PendingImage(job: next.job, image: next.nextImage))
            imagesOfRunningJobs[ObjectIdentifier(next.job), default: 0] += 1
            next.nextImage += 1
            if next.nextImage < next.job.count { waiting.append(next) }
        }
        counts.imagesQueued -= taken.count
        counts.imagesInFlight += taken.count
        callsForWorkers.store(!waiting.isEmpty, ordering: .relaxed)
        change(worker, by: taken.count)
        return taken
    }

    /// Counts images that have left `worker` after `seconds` of its time, `completed` of them with `values` values.
    func didLeave(_ worker: Int, _ images: [PendingImage], completed: Int, values: Int, seconds: Double) {
        condition.withLock {
            change(worker, by: -images.count)
            counts.imagesInFlight -= images.count
            counts.imagesCompleted += UInt64(completed)
            counts.valuesDrawn += UInt64(values)
            busySeconds += seconds
            for image in images {
                let job = ObjectIdentifier(image.job)
                imagesOfRunningJobs[job] = imagesOfRunningJobs[job].flatMap { $0 > 1 ? $0 - 1 : nil }
            }
        }
    }

    /// A worker with a single image may be helped.
    private func change(_ worker: Int, by images: Int) {
        guard images != 0, let load = workers[worker]?.load else { return }
        workers[worker]?.load = load + images
        if load + images == 1 { condition.broadcast() }
    }

    /// When what waits now should have been taken up, by the speed so far: 1 … 60 seconds.
    private func secondsToDrain() -> Int {
        guard counts.imagesCompleted > 0 else { return 1 }
        let secondsAnImage = busySeconds / Double(counts.imagesCompleted) / Double(threads)
        return min(max(Int((Double(counts.imagesQueued) * secondsAnImage).rounded(.up)), 1), 60)
    }
}
