// Which worker takes which waiting image: bookkeeping alone, held by JobQueue under its lock. Jobs of a size take
// turns, an image each, so that none waits for all of another; workers take equal shares of each size, so that all
// cores finish together; and small jobs have places and memory that large ones cannot take, so that they never wait for
// those.

import DequeModule
import PixelCNNEngine

/// An image of a job, as a worker holds it.
struct PendingImage: Sendable {
    let job: Job
    let image: Int
}

/// What waits, and what each worker has.
struct Placement {
    private struct WaitingJob {
        let job: Job
        var nextImage = 0
    }

    /// Images of one size that a worker has at most.
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
        (self.capacity, self.maximumCacheBytes) = (capacity, maximumCacheBytes)
        loads = Array(repeating: .zero, count: workers)
    }

    var imagesQueued: Int { queued.total }
    var imagesInFlight: Int { inFlight.total }

    // MARK: - Jobs

    /// Lines up a job's images.
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
            (queued, requestsQueued) = (.zero, 0)
        }
        return JobSize.allCases.flatMap { waiting[$0].map(\.job) }
    }

    // MARK: - Workers

    /// Whether there is an image for `worker` now.
    func canTake(worker: Int) -> Bool {
        JobSize.allCases.contains { loads[worker][$0] < quota(of: worker, $0) && nextFits($0) }
    }

    /// Images for `worker`, up to its share and `most`.
    mutating func take(worker: Int, most: Int = .max) -> [PendingImage] {
        var taken: [PendingImage] = []
        for size in JobSize.allCases {
            let quota = quota(of: worker, size)
            while taken.count < most, loads[worker][size] < quota, nextFits(size), var next = waiting[size].popFirst() {
                taken.append(PendingImage(job: next.job, image: next.nextImage))
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
    mutating func leave(worker: Int, _ images: [PendingImage]) {
        for image in images { change(worker, image.job, by: -1) }
    }

    /// A worker whose only image a second thread could help with, and the image's size.
    func workerWithOneImage(where isWanted: (Int) -> Bool) -> (worker: Int, size: JobSize)? {
        guard let worker = loads.indices.first(where: { loads[$0].total == 1 && isWanted($0) }) else { return nil }
        return (worker, loads[worker].small == 1 ? .small : .large)
    }

    private mutating func change(_ worker: Int, _ job: Job, by images: Int) {
        loads[worker][job.size] += images
        inFlight[job.size] += images
        cacheBytes += images * job.cacheBytesAnImage
        let count = job.imagesInFlight.wrappingAdd(images, ordering: .relaxed)
        if count.oldValue == 0 { requestsInFlight += 1 } else if count.newValue == 0 { requestsInFlight -= 1 }
    }

    /// The images of a size that `worker` should have: an equal share of all there are. What does not divide goes to
    /// those that have more already, then to those that have least to do.
    private func quota(of worker: Int, _ size: JobSize) -> Int {
        guard queued[size] > 0 else { return 0 }
        let (share, rest) = (inFlight[size] + queued[size]).quotientAndRemainder(dividingBy: loads.count)
        let own = (loads[worker].total, worker)
        let before = loads.indices.count { loads[$0][size] > share || (loads[$0].total, $0) < own }
        return min(before < rest ? share + 1 : share, capacity)
    }

    /// Whether the row cache of the next image has room. Others do not overtake it, or a wide image might wait for
    /// ever; one image of a size always may run. Large jobs leave a quarter to small ones.
    private func nextFits(_ size: JobSize) -> Bool {
        guard let next = waiting[size].first else { return false }
        let limit = size == .small ? maximumCacheBytes : maximumCacheBytes / 4 * 3
        return inFlight[size] == 0 || cacheBytes + next.job.cacheBytesAnImage <= limit
    }
}
