// Many clients on the real scheduler: deadlines, fairness, memory, and what is counted of them. No test looks at a
// clock to judge how long something took.

import PixelCNNEngine
import PixelCNNScheduler
import Synchronization
import TestSupport
import Testing

@Suite struct LoadTests {
    private let engine = Engine(model: SmallModels.colour)
    /// A height that no test waits for: 2 MB of values per image.
    private let endless = 100_000

    private func scheduler(
        threads: Int = 2, maximumQueuedImages: Int = 1000, maximumCacheBytes: Int = .max,
        jobStarted: (@Sendable (Double) -> Void)? = nil
    ) throws -> Scheduler {
        try Scheduler(
            engine: engine, threads: threads, maximumQueuedImages: maximumQueuedImages,
            maximumCacheBytes: maximumCacheBytes, jobStarted: jobStarted)
    }

    private func job(_ count: Int, height: Int = 5, deadline: ContinuousClock.Instant? = nil) -> SamplingJob {
        SamplingJob(count: count, seed: 1, height: height, width: 4, deadline: deadline)
    }

    private func until(_ isTrue: () -> Bool) async throws {
        while !isTrue() { try await Task.sleep(for: .milliseconds(1)) }
    }

    // MARK: - Fairness

    @Test(arguments: [1, 2])
    func smallJobsAreDoneThoughEveryPlaceForLargeOnesIsTaken(_ threads: Int) async throws {
        let scheduler = try scheduler(threads: threads)
        let alone = try await scheduler.sample(job(1))
        let large = Task { try await scheduler.sample(job(300, height: endless)) }
        try await until { scheduler.status.imagesInFlight == 64 * threads }
        for _ in 0..<3 { #expect(try await scheduler.sample(job(1)) == alone) }
        #expect(scheduler.status.imagesInFlight == 64 * threads)
        large.cancel()
        _ = try? await large.value
        await scheduler.stop()
    }

    @Test func bytesAreTheSameInACrowdOfBothSizes() async throws {
        let scheduler = try scheduler()
        let counts = [1, 9, 2, 70, 1, 4, 5, 1]
        var alone: [[UInt16]] = []
        for count in counts { alone.append(try await scheduler.sample(job(count))) }
        let together = try await withThrowingTaskGroup(of: (Int, [UInt16]).self) { group in
            for (i, count) in counts.enumerated() {
                group.addTask { (i, try await scheduler.sample(job(count))) }
            }
            return try await group.reduce(into: [Int: [UInt16]]()) { $0[$1.0] = $1.1 }
        }
        for i in counts.indices { #expect(together[i] == alone[i]) }
        await scheduler.stop()
    }

    // MARK: - Deadlines

    @Test func aRunningJobFailsAtItsDeadline() async throws {
        let scheduler = try scheduler()
        for count in [1, 40] {
            let late = job(count, height: endless, deadline: .now + .milliseconds(30))
            await #expect(throws: SchedulerError.deadlineExceeded) { try await scheduler.sample(late) }
            try await until { scheduler.status.imagesInFlight == 0 }
        }
        #expect(try await scheduler.sample(job(1)).count == 60)
        await scheduler.stop()
    }

    @Test func aWaitingJobFailsAtItsDeadline() async throws {
        let scheduler = try scheduler(threads: 1)
        let large = Task { try await scheduler.sample(job(64, height: endless)) }
        try await until { scheduler.status.imagesInFlight == 64 }
        await #expect(throws: SchedulerError.deadlineExceeded) {
            try await scheduler.sample(job(10, deadline: .now + .milliseconds(30)))
        }
        #expect(scheduler.status.imagesQueued == 0 && scheduler.status.imagesInFlight == 64)
        large.cancel()
        _ = try? await large.value
        await scheduler.stop()
    }

    /// The one busy thread is stuck, so nothing but the idle one can notice.
    @Test func anIdleThreadNoticesADeadline() async throws {
        let scheduler = try Scheduler(
            engine: engine, threads: 2, maximumQueuedImages: 1000, faults: DebugFaults(hangingSeed: 13))
        let late = SamplingJob(
            count: 1, seed: 13, height: 5, width: 4, deadline: .now + .milliseconds(50))
        await #expect(throws: SchedulerError.deadlineExceeded) { try await scheduler.sample(late) }
        await scheduler.stop()
    }

    @Test func aDeadlineThatHasPassedIsRefused() async throws {
        let scheduler = try scheduler()
        await #expect(throws: SchedulerError.deadlineExceeded) { try await scheduler.sample(job(1, deadline: .now)) }
        #expect(scheduler.status.imagesCompleted == 0)
        await scheduler.stop()
    }

    @Test func aJobThatIsInTimeDoesNotFail() async throws {
        let scheduler = try scheduler()
        let alone = try await scheduler.sample(job(3))
        for hours in [1, 1_000_000_000_000] {
            #expect(try await scheduler.sample(job(3, deadline: .now + .seconds(3600 * hours))) == alone)
        }
        await scheduler.stop()
    }

    // MARK: - Memory

    @Test func imagesInFlightKeepBelowTheirMemory() async throws {
        let image = engine.cacheBytes(width: 4)
        let scheduler = try scheduler(maximumCacheBytes: 8 * image)
        let running = (0..<4).map { _ in Task { try await scheduler.sample(job(10, height: 200)) } }
        var most = 0
        while scheduler.status.imagesCompleted < 40 {
            most = max(most, scheduler.status.imagesInFlight)
            try await Task.sleep(for: .milliseconds(1))
        }
        let values = try await running[0].value
        for task in running { #expect(try await task.value == values) }
        #expect(most <= 6)
        await scheduler.stop()
    }

    @Test func withoutMemoryImagesAreDoneOneByOne() async throws {
        let scheduler = try scheduler(maximumCacheBytes: 0)
        async let large = scheduler.sample(job(20))
        async let small = scheduler.sample(job(4))
        let (many, few) = try await (large, small)
        #expect(Array(many[..<(4 * 60)]) == few)
        await scheduler.stop()
    }

    // MARK: - What is counted

    private final class Waits: Sendable {
        let seconds = Mutex<[Double]>([])
        func jobStarted(queueSeconds: Double) { seconds.withLock { $0.append(queueSeconds) } }
    }

    @Test func everyJobsWaitIsReportedOnce() async throws {
        let waits = Waits()
        let scheduler = try scheduler(jobStarted: waits.jobStarted)
        for count in [1, 3, 200] { _ = try await scheduler.sample(job(count)) }
        let seconds = waits.seconds.withLock { $0 }
        #expect(seconds.count == 3 && seconds.allSatisfy { $0 >= 0 })
        await scheduler.stop()
    }

    @Test func stepsAndTheirImagesAreCounted() async throws {
        let scheduler = try scheduler(threads: 1)
        #expect(scheduler.status.busySeconds == 0)
        _ = try await scheduler.sample(job(1))
        #expect(scheduler.status.steps == 20 && scheduler.status.imageSteps == 20)
        _ = try await scheduler.sample(job(10))
        let status = scheduler.status
        #expect(status.imageSteps == 20 + 10 * 20)
        #expect(status.steps == 20 + 20)
        #expect(status.busySeconds > 0)
        await scheduler.stop()
    }
}
