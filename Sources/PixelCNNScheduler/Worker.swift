// The loop of one compute thread: poll where something has changed, compute a piece, deliver what is finished. Images
// join and leave between pieces, which take about a millisecond even where a step of many images takes fifty
// (continuous batching). Small jobs and large ones have a session each, and TimeShare says whose piece is next. A
// worker with nothing to do helps one that has a single image. The threads are outside Swift's cooperative pool, which
// must never block, and below the event loops' priority, so that a small response does not wait behind a matrix
// product.

import Foundation
import PixelCNNEngine
import PixelCNNKernels
import Support
import Synchronization

/// One thread's sessions and the images in them.
final class Worker {
    private let number: Int
    private let queue: JobQueue
    private let heartbeat: Heartbeat
    private let faults: DebugFaults
    private let jobStarted: (@Sendable (Double) -> Void)?
    private let counters: WorkerCounters
    private let sessions: PerSize<SamplingSession>

    private var images: [Int: AssignedImage] = [:]  // by tag
    private var nextTag = 0
    private var timeShare = TimeShare()
    /// The queue's changes that this worker has seen.
    private var changes = -1
    /// Until when the worker's time is accounted for.
    private var lastInstant = ContinuousClock.now
    private var finished: [(image: AssignedImage, result: ImageResult)] = []  // in a piece

    init(
        number: Int, queue: JobQueue, heartbeat: Heartbeat, faults: DebugFaults,
        jobStarted: (@Sendable (Double) -> Void)?, makeSession: (JobSize) -> SamplingSession
    ) {
        self.number = number
        self.queue = queue
        self.heartbeat = heartbeat
        self.faults = faults
        self.jobStarted = jobStarted
        sessions = PerSize(small: makeSession(.small), large: makeSession(.large))
        counters = queue.join(
            number, PerSize(small: sessions.small.helperThread, large: sessions.large.helperThread))
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
                poll()
            }
            if images.isEmpty {
                heartbeat.park()
                park()
            } else {
                computePiece()
            }
        }
        heartbeat.park()
    }

    // MARK: - Between pieces

    /// Drops images that nobody wants any more, and takes up one new image, not more: where no row
    /// cache lies ready, its memory alone takes a quarter of a millisecond.
    private func poll() {
        changes = queue.changes  // read first: what changes meanwhile is seen by the next poll
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

    private func add(_ image: AssignedImage) {
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
    private func park() {
        let turn = queue.nextTurn(of: number)
        lastInstant = .now
        if case .help(let worker, let helperThread) = turn {
            helperThread.help { queue.changes == changes }
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
        if !finished.isEmpty { deliver() }
        queue.failLateJobs(at: lastInstant)
    }

    private func deliver() {
        // Counts first: a caller that has its images sees them counted.
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

// MARK: - Whose piece is next

/// Shares one thread's time between its small and its large images by what was spent, piece by piece: a session that
/// has had less than its share is next. Each job has the same claim to the machine's time, spread evenly over its
/// images in flight, and a session's claim is the sum over its images. One request for an image beside a large job on
/// two workers thus has 1 against ½ here: two thirds of this worker, several pixels for each of the large job's, and
/// the large job still has two thirds of the machine.
struct TimeShare {
    /// Claims of the images of each size; 0 where there are none.
    var claims = PerSize<Double>.zero {
        didSet { if !isShared { owedToSmall = 0 } }
    }

    /// Seconds of its share that the small images have not had; negative where they have had more.
    private var owedToSmall = 0.0

    private var isShared: Bool { claims.small > 0 && claims.large > 0 }

    /// The size to compute a piece of. Small images come first where nothing is owed: a new one begins at once.
    var next: JobSize {
        if isShared { owedToSmall >= 0 ? .small : .large } else { claims.small > 0 ? .small : .large }
    }

    /// Notes that a piece took so long.
    mutating func didSpend(seconds: Double, on size: JobSize) {
        guard isShared else { return }
        owedToSmall += seconds * claims.small / claims.total - (size == .small ? seconds : 0)
    }
}

// MARK: - What the scheduler keeps of a worker

/// A thread that runs one closure, below the event loops' priority.
final class ComputeThread: Sendable {
    private struct State {
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Starts the thread; `name` (15 bytes at most) is what `top -H` shows.
    ///
    /// - Throws: ``Failure`` (71) where the system starts no further thread.
    init(name: String, run: @escaping @Sendable () -> Void) throws(Failure) {
        try PlainThread.start(name) { [self] in
            ThreadPriority.lower()
            run()
            end()
        }
    }

    /// Waits until it has ended, without holding a thread: it may be stuck.
    func waitForEnd() async {
        await withCheckedContinuation { waiter in
            let hasEnded = state.withLock { state in
                if !state.hasEnded { state.waiters.append(waiter) }
                return state.hasEnded
            }
            if hasEnded { waiter.resume() }
        }
    }

    private func end() {
        let waiters = state.withLock { state in
            defer { state = State(hasEnded: true) }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// When a worker last moved, for a watchdog. Written by the worker, read by anybody. A beat is one store, so it costs
/// nothing that could be measured.
final class Heartbeat: Sendable {
    /// Nanoseconds of a clock that stands still while the machine sleeps; 0 while there is nothing to do.
    private let lastBeat = Atomic<UInt64>(0)

    /// A piece of a step begins.
    func beat() { lastBeat.store(DispatchTime.now().uptimeNanoseconds, ordering: .relaxed) }

    /// There is nothing to do.
    func park() { lastBeat.store(0, ordering: .relaxed) }

    /// Time since the last beat; zero while parked.
    var silence: Duration {
        let last = lastBeat.load(ordering: .relaxed)
        let now = DispatchTime.now().uptimeNanoseconds
        return last == 0 || now <= last ? .zero : .nanoseconds(Int64(now - last))
    }
}

/// Faults made on purpose, for tests of what must notice them: only a worker that is stuck can show whether it is found
/// and the daemon restarted. None by default.
package struct DebugFaults: Sendable {
    /// A worker that takes up an image with this seed makes no further step until the scheduler stops.
    package var hangingSeed: UInt64?

    package init(hangingSeed: UInt64? = nil) {
        self.hangingSeed = hangingSeed
    }
}
