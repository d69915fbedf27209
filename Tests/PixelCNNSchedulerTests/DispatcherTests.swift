import PixelCNNEngine
import Testing

@testable import PixelCNNScheduler

@Suite struct DispatcherTests {
    private func dispatcher(workers: Int = 2, capacity: Int = 64, maximumCacheBytes: Int = .max) -> Dispatcher {
        Dispatcher(workers: workers, capacity: capacity, maximumCacheBytes: maximumCacheBytes)
    }

    private func job(_ count: Int, bytes: Int = 1) -> Job {
        Job(
            count: count, size: JobSize(images: count, pixels: 1, modelPixels: 1), cacheBytesPerImage: bytes
        ) { _ in
            ImageTask(height: 1, width: 1, source: .score(values: []))
        }
    }

    @Test(arguments: [(1, 1, true), (4, 1, true), (5, 1, false), (1, 4, true), (1, 5, false), (2, 3, false)])
    func fewImagesOfFewPixelsAreSmall(images: Int, times: Int, isSmall: Bool) {
        let size = JobSize(images: images, pixels: times * 1024, modelPixels: 1024)
        #expect((size == .small) == isSmall)
    }

    @Test(arguments: [1, 2, 5, 64, 127, 200])
    func workersTakeEqualShares(_ images: Int) {
        var dispatcher = dispatcher(workers: 3)
        dispatcher.append(job(images))
        let shares = (0..<3).map { dispatcher.take(worker: $0).count }
        #expect(shares.reduce(0, +) == min(images, 3 * 64))
        #expect(shares.max()! - shares.min()! <= 1)
        #expect(dispatcher.imagesInFlight == shares.reduce(0, +))
        #expect(dispatcher.imagesQueued == images - dispatcher.imagesInFlight)
    }

    @Test func jobsOfASizeTakeTurns() {
        var dispatcher = dispatcher(workers: 1, capacity: 6)
        let jobs = [job(100), job(100), job(100)]
        for job in jobs { dispatcher.append(job) }
        let taken = dispatcher.take(worker: 0)
        #expect(taken.map { image in jobs.firstIndex { $0 === image.job } } == [0, 1, 2, 0, 1, 2])
        #expect(taken.map(\.image) == [0, 0, 0, 1, 1, 1])
        #expect(jobs.map { $0.imagesInFlight.load(ordering: .relaxed) } == [2, 2, 2])
        #expect(dispatcher.requestsInFlight == 3 && dispatcher.requestsQueued == 0)
    }

    @Test func aSmallJobHasAPlaceWhereLargeOnesHaveTakenAllOfTheirs() {
        var dispatcher = dispatcher()
        dispatcher.append(job(1000))
        for worker in 0..<2 { #expect(dispatcher.take(worker: worker).count == 64) }
        #expect(!dispatcher.canTake(worker: 0) && !dispatcher.canTake(worker: 1))
        let small = job(1)
        dispatcher.append(small)
        #expect((0..<2).contains { dispatcher.canTake(worker: $0) })
        let taken = (0..<2).flatMap { dispatcher.take(worker: $0) }
        #expect(taken.count == 1 && taken[0].job === small)
    }

    @Test func smallJobsGoToDifferentWorkers() {
        var dispatcher = dispatcher()
        dispatcher.append(job(1000))
        for worker in 0..<2 { _ = dispatcher.take(worker: worker) }
        dispatcher.append(job(1))
        dispatcher.append(job(1))
        #expect((0..<2).map { dispatcher.take(worker: $0).count } == [1, 1])
    }

    /// A lone image stays on its worker and a new one goes to the idle one, though both of them poll.
    @Test func anIdleWorkerTakesWhatTheBusyOneLeaves() {
        var dispatcher = dispatcher()
        dispatcher.append(job(1))
        let owner = (0..<2).first { !dispatcher.take(worker: $0).isEmpty }!
        #expect(dispatcher.workerWithOneImage { _ in true }?.worker == owner)
        dispatcher.append(job(5))
        dispatcher.append(job(1))
        let shares = [owner, 1 - owner].map { dispatcher.take(worker: $0) }
        #expect(shares[0].count { $0.job.size == .small } == 0 && shares[1].count { $0.job.size == .small } == 1)
        #expect(shares[0].count + shares[1].count == 6)
        #expect(dispatcher.workerWithOneImage { _ in true } == nil)
    }

    @Test func whatWaitsAlwaysHasATaker() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var dispatcher = dispatcher(workers: 3, capacity: 4, maximumCacheBytes: 20)
            var held: [[AssignedImage]] = [[], [], []]
            for _ in 0..<100 {
                if Bool.random(using: &generator) {
                    dispatcher.append(job(.random(in: 1...9), bytes: .random(in: 1...30)))
                }
                let worker = Int.random(in: 0..<3)
                held[worker] += dispatcher.take(worker: worker)
                #expect(held[worker].count { $0.job.size == .small } <= 4)
                if let image = held[worker].indices.randomElement(), Bool.random() {
                    dispatcher.leave(worker: worker, [held[worker].remove(at: image)])
                }
                // Where nobody may take anything, something of each waiting size is in flight and will make room.
                if dispatcher.imagesQueued > 0, !(0..<3).contains(where: dispatcher.canTake) {
                    #expect(dispatcher.imagesInFlight > 0)
                }
            }
            while dispatcher.imagesQueued + dispatcher.imagesInFlight > 0 {
                for worker in 0..<3 {
                    dispatcher.leave(worker: worker, held[worker] + dispatcher.take(worker: worker))
                    held[worker] = []
                }
            }
        }
    }

    @Test func cachesInFlightStayBelowTheirBoundAndLargeJobsLeaveRoom() {
        var dispatcher = dispatcher(maximumCacheBytes: 100)
        dispatcher.append(job(50, bytes: 10))
        #expect((0..<2).map { dispatcher.take(worker: $0).count }.reduce(0, +) == 7)
        dispatcher.append(job(2, bytes: 10))
        dispatcher.append(job(3, bytes: 10))
        let small = (0..<2).flatMap { dispatcher.take(worker: $0) }
        #expect(small.count == 3 && small.allSatisfy { $0.job.size == .small })
        #expect(!dispatcher.canTake(worker: 0) && !dispatcher.canTake(worker: 1))
    }

    @Test func oneImageOfEachSizeMayRunHoweverWide() {
        var dispatcher = dispatcher(maximumCacheBytes: 100)
        dispatcher.append(job(50, bytes: 1000))
        dispatcher.append(job(2, bytes: 1000))
        let taken = (0..<2).map { dispatcher.take(worker: $0) }
        #expect(taken.flatMap { $0 }.count == 2)
        #expect(!dispatcher.canTake(worker: 0) && !dispatcher.canTake(worker: 1))
        for worker in 0..<2 { dispatcher.leave(worker: worker, taken[worker]) }
        #expect((0..<2).flatMap { dispatcher.take(worker: $0) }.count == 2)
    }

    @Test func aWideImageIsNotOvertaken() {
        var dispatcher = dispatcher(workers: 1, maximumCacheBytes: 100)
        dispatcher.append(job(5, bytes: 1))
        let first = dispatcher.take(worker: 0)
        dispatcher.append(job(5, bytes: 1000))
        dispatcher.append(job(5, bytes: 1))
        #expect(dispatcher.take(worker: 0).isEmpty)
        dispatcher.leave(worker: 0, first)
        #expect(dispatcher.take(worker: 0).map(\.job.cacheBytesPerImage) == [1000])
    }

    @Test func aRemovedJobIsNotTaken() {
        var dispatcher = dispatcher(workers: 1, capacity: 5)
        let jobs = [job(100), job(100)]
        for job in jobs { dispatcher.append(job) }
        let taken = dispatcher.take(worker: 0)
        dispatcher.remove(jobs[0])
        dispatcher.remove(jobs[0])
        #expect(dispatcher.imagesQueued == 98)
        dispatcher.leave(worker: 0, taken)
        #expect(dispatcher.take(worker: 0).allSatisfy { $0.job === jobs[1] })
        #expect(dispatcher.removeAll().count == 1 && dispatcher.imagesQueued == 0)
    }
}
