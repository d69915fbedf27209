// The loop of one compute thread: look where something has changed, compute a piece, hand out what is finished. Images
// join and leave between pieces, which are a millisecond or so even where a step of many images is fifty (continuous
// batching). Small jobs and large ones have a session each, and TimeShare says whose piece is next. A worker with
// nothing to do helps one that has a single image.

import Foundation
import PixelCNNEngine

/// One thread's sessions and the images in them.
final class Worker {
    private let number: Int
    private let queue: JobQueue
    private let heartbeat: Heartbeat
    private let faults: DebugFaults
    private let jobStarted: (@Sendable (Double) -> Void)?
    private let counters: WorkerCounters
    private let sessions: PerSize<SamplingSession>

    private var images: [Int: PendingImage] = [:]  // by tag
    private var nextTag = 0
    private var timeShare = TimeShare()
    /// The queue's changes that this worker has seen.
    private var changes = -1
    /// Until when the worker's time is accounted for.
    private var lastInstant = ContinuousClock.now
    private var finished: [(image: PendingImage, result: ImageResult)] = []  // in a piece

    init(
        number: Int, queue: JobQueue, heartbeat: Heartbeat, faults: DebugFaults,
        jobStarted: (@Sendable (Double) -> Void)?, makeSession: (JobSize) -> SamplingSession
    ) {
        (self.number, self.queue, self.heartbeat, self.faults) = (number, queue, heartbeat, faults)
        self.jobStarted = jobStarted
        sessions = PerSize(small: makeSession(.small), large: makeSession(.large))
        counters = queue.enlist(
            number, PerSize(small: sessions.small.assistance, large: sessions.large.assistance))
        for size in JobSize.allCases {
            sessions[size].finishRow = { [unowned self] tag, row in
                guard let image = images[tag] else { return }
                image.job.finish(row: row, of: image.image)
            }
        }
    }

    /// Works until the queue stops.
    func run() {
        Kernels.resetFloatState()
        defer { for image in images.values { image.job.fail(SchedulerError.stopped) } }
        while true {
            heartbeat.beat()
            if queue.changes != changes {
                if queue.shouldStop { break }
                look()
            }
            if images.isEmpty {
                heartbeat.rest()
                rest()
            } else {
                computePiece()
            }
        }
        heartbeat.rest()
    }

    // MARK: - Between pieces

    /// Lets go of images that nobody wants any more, and takes up a new one: its memory alone is half a millisecond.
    private func look() {
        changes = queue.changes  // read before looking: what changes meanwhile is looked at next time
        let unwanted = images.filter { $0.value.job.isEnded }
        if !unwanted.isEmpty {
            for size in JobSize.allCases { sessions[size].removeAll { unwanted[$0] != nil } }
            for tag in unwanted.keys { images[tag] = nil }
            queue.didLeave(number, Array(unwanted.values), completed: 0, values: 0)
        }
        if let image = queue.takeImage(worker: number) { add(image) }
        timeShare.claims = .zero
        for image in images.values {
            timeShare.claims[image.job.size] += 1 / Double(image.job.imagesInFlight.load(ordering: .relaxed))
        }
    }

    private func add(_ image: PendingImage) {
        images[nextTag] = image
        let task = image.job.task(image.image)
        sessions[image.job.size].add(task, tag: nextTag)
        nextTag += 1
        if image.image == 0 {
            let seconds = (ContinuousClock.now - image.job.arrival).seconds
            jobStarted?(seconds)
            image.job.started?(seconds)
        }
        if let hangingSeed = faults.hangingSeed, case .sample(hangingSeed, _, _, _) = task.source { hang() }
    }

    /// The fault of ``DebugFaults/hangingSeed``.
    private func hang() {
        while !queue.shouldStop { Thread.sleep(forTimeInterval: 0.01) }
    }

    /// Nothing to do: waits for images, or helps another worker meanwhile.
    private func rest() {
        let turn = queue.nextTurn(of: number)
        lastInstant = .now
        if case .help(let worker, let assistance) = turn {
            assistance.help { queue.changes == changes }
            queue.didHelp(worker)
            account()
        }
        queue.failLateJobs(at: lastInstant)
    }

    // MARK: - A piece

    private func computePiece() {
        let size = timeShare.next
        let session = sessions[size]
        let count = session.count
        let isStep = session.stepPiece { tag, result in
            if let image = images.removeValue(forKey: tag) { finished.append((image, result)) }
        }
        if isStep { counters.didStep(images: count) }
        timeShare.didSpend(seconds: account().seconds, on: size)
        if !finished.isEmpty { handOut() }
        queue.failLateJobs(at: lastInstant)
    }

    private func handOut() {
        // Counts first: a caller that has its answer sees it counted.
        queue.didLeave(
            number, finished.map(\.image), completed: finished.count,
            values: finished.reduce(0) { $0 + $1.result.count })
        for (image, result) in finished { image.job.finish(image: image.image, result: result) }
        finished.removeAll(keepingCapacity: true)
    }

    /// Counts the time since it was last counted.
    @discardableResult private func account() -> Duration {
        let now = ContinuousClock.now
        defer { lastInstant = now }
        counters.didSpend(now - lastInstant)
        return now - lastInstant
    }
}
