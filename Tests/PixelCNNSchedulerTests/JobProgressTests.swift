import PixelCNNEngine
import PixelCNNScheduler
import TestSupport
import Testing

@Suite struct JobProgressTests {
    private let engine = Engine(model: SmallModels.colour)
    private let height = 5
    private let width = 4

    private func job(_ count: Int, height: Int? = nil) -> SamplingJob {
        SamplingJob(count: count, seed: 1, height: height ?? self.height, width: width)
    }

    @Test(arguments: [1, 2])
    func rowsAndImagesPutTogetherAreTheResult(_ threads: Int) async throws {
        let scheduler = try Scheduler(engine: engine, threads: threads, maximumQueuedImages: 100)
        let progress = JobProgress(streamsRows: true)
        let streaming = Task { try await scheduler.stream(job(7), to: progress) }
        var updates: [JobUpdate] = []
        for await _ in progress.changes { while let update = progress.takeUpdate() { updates.append(update) } }
        while let update = progress.takeUpdate() { updates.append(update) }
        try await streaming.value
        let values = try await scheduler.sample(job(7))

        let size = 3 * height * width
        var rows = Array(repeating: 0, count: 7)
        var images: Set<Int> = []
        for update in updates {
            switch update {
            case .row(let image, let row, let rowValues):
                #expect(row == rows[image])
                rows[image] += 1
                let expected = (0..<3).flatMap { c in
                    let start = image * size + (c * height + row) * width
                    return values[start..<start + width]
                }
                #expect(rowValues == expected)
            case .image(let image, let imageValues, let logProbabilities):
                #expect(logProbabilities == nil)
                #expect(rows[image] == height && images.insert(image).inserted)
                #expect(imageValues == Array(values[image * size..<(image + 1) * size]))
            }
        }
        #expect(images.count == 7)
        #expect(progress.valuesDone == values.count && progress.imagesDone == 7)
        await scheduler.stop()
    }

    @Test func withoutRowsThereAreImagesAlone() async throws {
        let scheduler = try Scheduler(engine: engine, threads: 2, maximumQueuedImages: 100)
        let progress = JobProgress(streamsRows: false)
        try await scheduler.stream(job(3), to: progress)
        let updates = (0..<3).compactMap { _ in progress.takeUpdate() }
        #expect(updates.count == 3 && progress.takeUpdate() == nil)
        let values = try await scheduler.sample(job(3))
        for i in 0..<3 { #expect(updates.contains(.image(i, values: Array(values[i * 60..<(i + 1) * 60])))) }
        #expect(progress.valuesDone == values.count)
        await scheduler.stop()
    }

    @Test func valuesGrowWhileTheJobRuns() async throws {
        let scheduler = try Scheduler(engine: engine, threads: 2, maximumQueuedImages: 100)
        let progress = JobProgress(streamsRows: false)
        let running = Task { try await scheduler.stream(job(2, height: 100_000), to: progress) }
        var seen: [Int] = []
        for await _ in progress.changes {
            seen.append(progress.valuesDone)
            if seen.count == 5 { running.cancel() }
        }
        #expect(seen.count >= 5 && seen == seen.sorted() && seen[0] >= 12)
        #expect(progress.imagesDone == 0)
        await #expect(throws: CancellationError.self) { try await running.value }
        await scheduler.stop()
    }

    @Test func progressEndsWithAJobThatIsRefused() async throws {
        let scheduler = try Scheduler(engine: engine, threads: 1, maximumQueuedImages: 100)
        await scheduler.stop()
        let progress = JobProgress(streamsRows: true)
        await #expect(throws: SchedulerError.stopped) { try await scheduler.stream(job(1), to: progress) }
        for await _ in progress.changes {}
        #expect(progress.takeUpdate() == nil)
    }

    @Test func progressEndsWithATaskCancelledBeforeItAsks() async throws {
        let scheduler = try Scheduler(engine: engine, threads: 1, maximumQueuedImages: 100)
        let progress = JobProgress(streamsRows: true)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await scheduler.stream(job(1), to: progress)
        }
        task.cancel()
        for await _ in progress.changes {}
        await #expect(throws: CancellationError.self) { try await task.value }
        await scheduler.stop()
    }
}
