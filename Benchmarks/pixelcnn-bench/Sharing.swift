// `pixelcnn-bench sharing`: how clients of the scheduler affect each other. One image requested repeatedly, on an idle
// machine and beside a large job, which also shows what the large job loses; and many clients with one image each
// against one client that requests as many at once. Only the scheduler, without server and socket.

import ArgumentParser
import Foundation
import PixelCNNEngine
import PixelCNNModel
import PixelCNNScheduler
import Support

struct Sharing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Time requests beside one another.",
        discussion: "Prints a table. A request's time is from sending it to having the values.")

    @Option(help: "Images of the large job.") var large = 256
    @Option(help: "Clients that each request one image.") var clients = 64
    @Option(name: .customLong("seconds"), help: "Seconds that the clients are watched.") var watchedSeconds = 10
    @Option(help: "Worker threads.") var threads = MachineLimits.current.processors

    func validate() throws {
        guard large > 0, clients > 0, watchedSeconds > 0, threads > 0 else {
            throw ValidationError("--large, --clients, --seconds and --threads take numbers above 0")
        }
    }

    func run() async throws {
        let engine = Engine(model: Model.random(try Hyperparameters(), seed: 1))
        let scheduler = try Scheduler(engine: engine, threads: threads, maximumQueuedImages: 1_000_000)
        try await scheduler.warmUp()

        report("one image on an idle machine")
        var idle: [Double] = []
        for i in 0..<50 { idle.append(try await time(scheduler, images: 1, index: i)) }
        report("a job of \(large) images alone")
        let alone = try await time(scheduler, images: large, index: 0)
        report("one image beside it, again and again")
        let (beside, slowed) = try await besideLargeJob(scheduler)
        report("\(clients) images at once, then \(clients) clients of one image")
        let together = try await imagesPerSecondTogether(scheduler)
        let apart = try await imagesPerSecondApart(scheduler)
        await scheduler.stop()

        report("pieces of a step")
        let pieces = pieces(engine)

        func milliseconds(_ seconds: Double) -> String { String(format: "%.3g ms", seconds * 1000) }
        func row(_ what: String, _ values: String...) {
            print(([what] + values).map { $0.padding(toLength: 36, withPad: " ", startingAt: 0) }.joined())
        }
        row("", "median", "p99")
        row("a piece of a step of 64 images", milliseconds(middle(pieces)), milliseconds(percentile(99, of: pieces)))
        row("one image")
        row("  idle", milliseconds(middle(idle)), milliseconds(percentile(99, of: idle)))
        row("  beside a job of \(large)", milliseconds(middle(beside)), milliseconds(percentile(99, of: beside)))
        row("  ratio", String(format: "%.2f", middle(beside) / middle(idle)))
        row("the job of \(large)", "alone", "beside \(beside.count) requests, loss per request")
        row(
            "", String(format: "%.2f s", alone),
            String(format: "%.2f s, ", slowed) + milliseconds((slowed - alone) / Double(beside.count)))
        row("images/s", "one client of \(clients)", "\(clients) clients of 1")
        row(
            "", String(format: "%.1f", together),
            String(format: "%.1f (%.0f %%)", apart, 100 * apart / together))
    }

    /// Seconds of each piece of steps of 64 images through two rows: how soon a worker polls.
    private func pieces(_ engine: Engine) -> [Double] {
        let session = SamplingSession(engine: engine, capacity: 64)
        for i in 0..<64 { session.add(engine.task(UInt64(i), size: 32), tag: i) }
        var pieces: [Double] = []
        for _ in 0..<64 {
            var isComplete = false
            while !isComplete { pieces.append(seconds { isComplete = session.stepPiece { _, _ in } }) }
        }
        return pieces
    }

    /// Seconds of a request.
    private func time(_ scheduler: Scheduler, images: Int, index: Int) async throws -> Double {
        let job = SamplingJob(count: images, seed: 1, firstIndex: UInt64(index), height: 32, width: 32)
        let start = ContinuousClock.now
        _ = try await scheduler.sample(job)
        return (ContinuousClock.now - start).inSeconds
    }

    /// Seconds of the requests that began and ended during a large job, and of the job.
    private func besideLargeJob(_ scheduler: Scheduler) async throws -> (requests: [Double], job: Double) {
        let job = Task { try await time(scheduler, images: large, index: 0) }
        var requests: [Double] = []
        while scheduler.status.imagesInFlight == 0 { try await Task.sleep(for: .milliseconds(1)) }
        while scheduler.status.imagesInFlight > 0 {
            requests.append(try await time(scheduler, images: 1, index: requests.count))
        }
        // The last one may have seen the job's end.
        return (requests.dropLast(), try await job.value)
    }

    private func imagesPerSecondTogether(_ scheduler: Scheduler) async throws -> Double {
        var times: [Double] = []
        repeat {
            times.append(try await time(scheduler, images: clients, index: 0))
        } while times.reduce(0, +) < Double(watchedSeconds)
        return Double(clients) / middle(times)
    }

    /// Clients that come one after another, so that their images are at different rows, and request again at once.
    private func imagesPerSecondApart(_ scheduler: Scheduler) async throws -> Double {
        let (clients, watched) = (clients, Duration.seconds(watchedSeconds))
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<clients {
                group.addTask {
                    try await Task.sleep(for: .seconds(2.0 * Double(client) / Double(clients)))
                    while !Task.isCancelled { _ = try await time(scheduler, images: 1, index: client) }
                }
            }
            try await Task.sleep(for: .seconds(4))
            let (start, before) = (ContinuousClock.now, scheduler.status)
            try await Task.sleep(for: watched)
            let (end, after) = (ContinuousClock.now, scheduler.status)
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
            // Pixels, since images in flight are on average only half done.
            return Double(after.imageSteps - before.imageSteps) / (32 * 32) / (end - start).inSeconds
        }
    }
}

/// The value that `percent` of all do not exceed.
func percentile(_ percent: Int, of values: [Double]) -> Double {
    values.sorted()[max((values.count * percent + 99) / 100 - 1, 0)]
}
