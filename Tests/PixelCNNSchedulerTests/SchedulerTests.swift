import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel
import PixelCNNScheduler
import TestSupport
import Testing

@Suite struct SchedulerTests {
    private let engine = Engine(model: SmallModels.colour)

    private func scheduler(threads: Int = 2, maximumQueuedImages: Int = 1000) throws -> Scheduler {
        try Scheduler(engine: engine, threads: threads, maximumQueuedImages: maximumQueuedImages)
    }

    private func job(_ count: Int, seed: UInt64 = 1, first: UInt64 = 0, height: Int = 5) -> SamplingJob {
        SamplingJob(count: count, seed: seed, firstIndex: first, height: height, width: 4)
    }

    @Test func samplesAreTheSameForEveryThreadCountAndSplit() async throws {
        let size = 3 * 5 * 4
        var results: [[UInt16]] = []
        for threads in [1, 2, 3] {
            let scheduler = try scheduler(threads: threads)
            results.append(try await scheduler.sample(job(64)))
            let seven = try await scheduler.sample(job(7))
            let last = try await scheduler.sample(job(1, first: 63))
            #expect(seven == Array(results[0][..<(7 * size)]))
            #expect(last == Array(results[0][(63 * size)...]))
            await scheduler.stop()
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test(arguments: [1, 3, 64])
    func samplesAreTheSameForEveryInstructionSetAndThreadCount(_ count: Int) async throws {
        var results: [[UInt16]] = []
        for kernels in Kernels.available {
            for threads in [1, 2] {
                let scheduler = try Scheduler(
                    engine: Engine(model: SmallModels.colour, kernels: kernels), threads: threads,
                    maximumQueuedImages: 1000)
                // Images of another size and at other positions are computed beside those of each request.
                async let taller = scheduler.sample(job(5, seed: 2, height: 7))
                let result = try await scheduler.sample(job(count))
                results.append(try await result + taller)
                await scheduler.stop()
            }
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    @Test func concurrentRequestsGetTheirOwnImages() async throws {
        let scheduler = try scheduler()
        var alone: [[UInt16]] = []
        for seed in 0..<20 as Range<UInt64> { alone.append(try await scheduler.sample(job(3, seed: seed))) }
        let together = try await withThrowingTaskGroup(of: (Int, [UInt16]).self) { group in
            for seed in 0..<20 { group.addTask { (seed, try await scheduler.sample(job(3, seed: UInt64(seed)))) } }
            return try await group.reduce(into: [Int: [UInt16]]()) { $0[$1.0] = $1.1 }
        }
        for seed in 0..<20 { #expect(together[seed] == alone[seed]) }
        await scheduler.stop()
    }

    @Test func scoresComeBackInOrder() async throws {
        let scheduler = try scheduler()
        let images = (0..<5).map { SmallModels.image(for: SmallModels.colour, seed: $0) }
        let together = try await scheduler.score(
            ScoringJob(values: images.flatMap { $0 }, count: 5, height: 5, width: 4))
        var alone: [Float] = []
        for image in images {
            alone += try await scheduler.score(ScoringJob(values: image, count: 1, height: 5, width: 4))
        }
        #expect(together == alone && together.allSatisfy { $0 < 0 })
        await scheduler.stop()
    }

    @Test func jobsOfDifferentClassesRunTogether() async throws {
        let model = SmallModels.conditional[0].model
        let scheduler = try Scheduler(engine: Engine(model: model), threads: 2, maximumQueuedImages: 1000)
        try await scheduler.warmUp()
        let image = SmallModels.image(for: model, seed: 1)
        func sample(_ label: Int) async throws -> [UInt16] {
            try await scheduler.sample(SamplingJob(count: 9, seed: 1, height: 5, width: 4, label: label))
        }
        func score(_ label: Int) async throws -> [Float] {
            try await scheduler.score(ScoringJob(values: image, count: 1, height: 5, width: 4, label: label))
        }
        var (samples, scores): ([[UInt16]], [[Float]]) = ([], [])
        for label in 0..<5 {
            samples.append(try await sample(label))
            scores.append(try await score(label))
        }
        #expect(Set(samples).count == 5 && Set(scores).count == 5)
        let together = try await withThrowingTaskGroup(of: (Int, [UInt16], [Float]).self) { group in
            for label in 0..<5 { group.addTask { (label, try await sample(label), try await score(label)) } }
            return try await group.reduce(into: [(Int, [UInt16], [Float])]()) { $0.append($1) }
        }
        for (label, values, logProbabilities) in together {
            #expect(values == samples[label] && logProbabilities == scores[label])
        }
        await scheduler.stop()
    }

    @Test func aCancelledRequestFreesItsImages() async throws {
        let scheduler = try scheduler()
        let task = Task { try await scheduler.sample(job(40, height: 100_000)) }
        while scheduler.status.imagesInFlight < 40 { try await Task.sleep(for: .milliseconds(1)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        // Another request is served at once, and nothing of the first is left.
        _ = try await scheduler.sample(job(2))
        while scheduler.status.imagesInFlight > 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(scheduler.status.requestsInFlight == 0 && scheduler.status.imagesQueued == 0)
        await scheduler.stop()
    }

    @Test func aTaskCancelledBeforeItAsksIsNotComputed() async throws {
        let scheduler = try scheduler()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await scheduler.sample(job(1))
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(scheduler.status.imagesCompleted == 0)
        await scheduler.stop()
    }

    @Test func aFullQueueRefusesAndSaysWhenToComeBack() async throws {
        // One worker takes 64 images; 40 more fill the queue.
        let scheduler = try scheduler(threads: 1, maximumQueuedImages: 50)
        let running = Task { try await scheduler.sample(job(104, height: 100_000)) }
        while scheduler.status.imagesQueued != 40 { try await Task.sleep(for: .milliseconds(1)) }
        let error = await #expect(throws: SchedulerError.self) { try await scheduler.sample(job(11)) }
        guard case .queueFull(let seconds) = error else { Issue.record("\(String(describing: error))"); return }
        #expect((1...60).contains(seconds))
        running.cancel()
        _ = try? await running.value
        #expect(try await scheduler.sample(job(11)).count == 11 * 60)
        await scheduler.stop()
    }

    @Test func stoppingEndsWhatRunsAndRefusesWhatComes() async throws {
        let scheduler = try scheduler()
        let task = Task { try await scheduler.sample(job(200, height: 100_000)) }
        while scheduler.status.imagesInFlight == 0 { try await Task.sleep(for: .milliseconds(1)) }
        await scheduler.stop()
        await #expect(throws: SchedulerError.stopped) { try await task.value }
        await #expect(throws: SchedulerError.stopped) { try await scheduler.sample(job(1)) }
    }

    @Test func statusCountsImagesAndValues() async throws {
        let scheduler = try scheduler()
        _ = try await scheduler.sample(job(5))
        let status = scheduler.status
        #expect(status.imagesCompleted == 5 && status.valuesDrawn == 5 * 60 && status.threads == 2)
        #expect(status.imagesInFlight == 0 && status.requestsInFlight == 0)
        await scheduler.stop()
    }

    @Test func completionsStartFromWhatAnyThreadHasComputed() async throws {
        let scheduler = try Scheduler(engine: engine, threads: 2, maximumQueuedImages: 1000, prefixCacheBytes: 1 << 20)
        let cold = try Scheduler(engine: engine, threads: 2, maximumQueuedImages: 1000, prefixCacheBytes: 0)
        let sampled = try await scheduler.sample(job(1, seed: 3))
        for (rows, temperature) in [(3, Float(1)), (3, 0.7), (1, 1), (5, 1)] {
            var completion = job(40, seed: 4)
            completion.parameters.temperature = temperature
            completion.given = GivenPixels(height: 5, width: 4, values: sampled, kept: .rows(rows))
            let before = scheduler.status.prefixCache
            let warm = try await scheduler.sample(completion)
            #expect(try await cold.sample(completion) == warm, "\(rows) rows")
            let after = scheduler.status.prefixCache
            if rows == 5 { continue }  // nothing to draw: nothing is looked up
            #expect(after.hits - before.hits == 40 && after.misses == before.misses)
            #expect(after.rowsSaved - before.rowsSaved == UInt64(40 * rows))
        }
        #expect(scheduler.status.prefixCache.bytes <= 1 << 20 && scheduler.status.prefixCache.entries > 0)
        #expect(cold.status.prefixCache == PrefixCacheStatus())
        await scheduler.stop()
        await cold.stop()
    }

    @Test func anIdleOrBusySchedulerIsNotSilent() async throws {
        let scheduler = try scheduler()
        let running = Task { try await scheduler.sample(job(40, height: 100_000)) }
        while scheduler.status.imagesInFlight < 40 { try await Task.sleep(for: .milliseconds(1)) }
        for _ in 0..<50 {
            #expect(scheduler.longestSilence < .seconds(600))
            try await Task.sleep(for: .milliseconds(1))
        }
        running.cancel()
        _ = try? await running.value
        while scheduler.longestSilence > .zero { try await Task.sleep(for: .milliseconds(1)) }
        await scheduler.stop()
    }

    @Test func aStuckThreadIsSilentAndTheOthersGoOn() async throws {
        let scheduler = try Scheduler(
            engine: engine, threads: 2, maximumQueuedImages: 1000, faults: DebugFaults(hangingSeed: 13))
        let stuck = Task { try await scheduler.sample(job(1, seed: 13)) }
        while scheduler.longestSilence < .milliseconds(300) { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await scheduler.sample(job(1)).count == 60)
        #expect(scheduler.longestSilence >= .milliseconds(300))
        await scheduler.stop()
        await #expect(throws: SchedulerError.stopped) { try await stuck.value }
    }
}
