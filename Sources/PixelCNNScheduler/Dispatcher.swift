// Decides which image a thread takes next: bookkeeping alone, held by JobQueue under its lock. Jobs of a size take
// turns, one image each, so that none waits for all of another; workers take equal shares of each size, so that all
// cores finish together; and small jobs have places and memory which large ones cannot take, so that they never wait
// for those.

import DequeModule

/// An image of a job which a worker has.
struct AssignedImage: Sendable {
    let job: Job
    /// Counts from 0 within the job.
    let image: Int
}

/// What waits, and how much each worker has.
struct Dispatcher {
    private struct WaitingJob {
        let job: Job
        var nextImage = 0
    }

    /// The most images of one size that a worker has.
    private let capacity: Int
    private let maximumCacheBytes: Int

    private var waiting = PerSize(small: Deque<WaitingJob>(), large: Deque<WaitingJob>())
    private var queued = PerSize<Int>.zero
    private var inFlight = PerSize<Int>.zero
    private var loads: [PerSize<Int>]  // of each worker
    private var cacheBytes = 0  // of images in flight

    /// Jobs with images in flight.
    private(set) var requestsInFlight = 0
    /// Jobs none of whose images has been taken.
    private(set) var requestsQueued = 0

    init(workers: Int, capacity: Int, maximumCacheBytes: Int) {
        self.capacity = capacity
        self.maximumCacheBytes = maximumCacheBytes
        loads = Array(repeating: .zero, count: workers)
    }

    var imagesQueued: Int { queued.total }
    var imagesInFlight: Int { inFlight.total }

    // MARK: - Jobs

    /// Queues a job's images.
    mutating func append(_ job: Job) {
        waiting[job.size].append(WaitingJob(job: job))
        requestsQueued += 1
        queued[job.size] += job.count
    }

    /// Takes a job's waiting images out.
    mutating func remove(_ job: Job) {
        guard let place = waiting[job.size].firstIndex(where: { $0.job === job }) else { return }
        let taken = waiting[job.size].remove(at: place).nextImage
        queued[job.size] -= job.count - taken
        if taken == 0 { requestsQueued -= 1 }
    }

    /// Takes all waiting images out.
    mutating func removeAll() -> [Job] {
        defer {
            for size in JobSize.allCases { waiting[size].removeAll() }
            queued = .zero
            requestsQueued = 0
        }
        return JobSize.allCases.flatMap { waiting[$0].map(\.job) }
    }

    // MARK: - Workers

    /// Whether there is an image for `worker` now.
    func canTake(worker: Int) -> Bool {
        JobSize.allCases.contains { loads[worker][$0] < quota(of: worker, $0) && nextFits($0) }
    }

    /// Images for `worker`, up to its share and `maximum`.
    mutating func take(worker: Int, maximum: Int = .max) -> [AssignedImage] {
        var taken: [AssignedImage] = []
        for size in JobSize.allCases {
            let quota = quota(of: worker, size)
            while taken.count < maximum, loads[worker][size] < quota, nextFits(size),
                var next = waiting[size].popFirst()
            {
                taken.append(AssignedImage(job: next.job, image: next.nextImage))
                if next.nextImage == 0 { requestsQueued -= 1 }
                next.nextImage += 1
                if next.nextImage < next.job.count { waiting[size].append(next) }
                queued[size] -= 1
                change(worker, next.job, by: 1)
            }
        }
        return taken
    }

    /// Notes that images have left `worker`.
    mutating func leave(worker: Int, _ images: [AssignedImage]) {
        for image in images { change(worker, image.job, by: -1) }
    }

    /// A worker which has a single image, so that a second thread could help it, and the image's size.
    func workerWithOneImage(where isWanted: (Int) -> Bool) -> (worker: Int, size: JobSize)? {
        guard let worker = loads.indices.first(where: { loads[$0].total == 1 && isWanted($0) }) else { return nil }
        return (worker, loads[worker].small == 1 ? .small : .large)
    }

    private mutating func change(_ worker: Int, _ job: Job, by images: Int) {
        loads[worker][job.size] += images
        inFlight[job.size] += images
        cacheBytes += images * job.cacheBytesPerImage
        let count = job.imagesInFlight.wrappingAdd(images, ordering: .relaxed)
        if count.oldValue == 0 { requestsInFlight += 1 } else if count.newValue == 0 { requestsInFlight -= 1 }
    }

    /// The images of a size that `worker` should have: an equal share of all there are. What does not divide goes to
    /// those that have more already, then to those that have least to do.
    private func quota(of worker: Int, _ size: JobSize) -> Int {
        guard queued[size] > 0 else { return 0 }
        let (share, remainder) = (inFlight[size] + queued[size]).quotientAndRemainder(dividingBy: loads.count)
        let own = (loads[worker].total, worker)
        let before = loads.indices.count { loads[$0][size] > share || (loads[$0].total, $0) < own }
        return min(before < remainder ? share + 1 : share, capacity)
    }

    /// Whether the row cache of the next image has room. Others do not overtake it, or a wide image might wait for
    /// ever; one image of a size may always run. Large jobs leave a quarter to small ones.
    private func nextFits(_ size: JobSize) -> Bool {
        guard let next = waiting[size].first else { return false }
        let limit = size == .small ? maximumCacheBytes : maximumCacheBytes / 4 * 3
        return inFlight[size] == 0 || cacheBytes + next.job.cacheBytesPerImage <= limit
    }
}
