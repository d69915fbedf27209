// `pixelcnn-bench completion`: what completing a picture costs beside drawing it, with its given rows unknown and known, by
// rows and number of images; and what remembering rows costs those who never ask for them again. Scheduler alone, no server
// and no socket; the variants of each case take turns, so that a machine that slows down slows all of them.

import ArgumentParser
import Foundation
import PixelCNNEngine
import PixelCNNModel
import PixelCNNScheduler

struct Completion: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Time completions beside whole images.",
        discussion: "Prints a table. A request's time is from asking to having the values.")

    @Option(help: "Runs of each case; the median counts.") var runs = 3
    @Option(help: "Images of the large job that is drawn with and without remembering.") var large = 128
    @Option(help: "Worker threads.") var threads = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        guard runs > 0, large > 0, threads > 0 else {
            throw ValidationError("--runs, --large and --threads take numbers above 0")
        }
    }

    func run() async throws {
        let engine = Engine(model: Model.random(try Hyperparameters(), seed: 1))
        func scheduler(_ bytes: Int) -> Scheduler {
            Scheduler(engine: engine, threads: threads, maximumQueuedImages: 1_000_000, prefixCacheBytes: bytes)
        }
        let (warm, cold) = (scheduler(PrefixCache.defaultByteLimit), scheduler(0))
        for scheduler in [warm, cold] { try await scheduler.warmUp() }

        let picture = try await warm.sample(SamplingJob(count: 1, seed: 9, height: 32, width: 32))
        print("images  rows  whole, ms  completed, ms  known, ms  of the whole  known, of the whole")
        for images in [1, 8, 32] {
            for rows in [8, 16, 24] {
                report("\(images) images, \(rows) rows given")
                var (whole, unknown, known): ([Double], [Double], [Double]) = ([], [], [])
                for _ in 0..<runs {
                    whole.append(try await time(cold, images))
                    unknown.append(try await time(cold, images, rows: rows, of: picture))
                    known.append(try await time(warm, images, rows: rows, of: picture))
                }
                let (all, some, least) = (middle(whole), middle(unknown), middle(known))
                print(
                    String(
                        format: "%6d  %4d  %9.1f  %13.1f  %9.1f  %12.2f  %19.2f", images, rows, all * 1000,
                        some * 1000, least * 1000, some / all, least / all))
                fflush(nil)
            }
        }
        report("\(large) images that nobody asks for again")
        var (with, without): ([Double], [Double]) = ([], [])
        for _ in 0..<runs {
            without.append(try await time(cold, large))
            with.append(try await time(warm, large))
        }
        print(
            String(
                format: "%d images: %.2f s without remembering rows, %.2f s with (%+.1f %%)", large, middle(without),
                middle(with), 100 * (middle(with) / middle(without) - 1)))
        await warm.stop()
        await cold.stop()
    }

    /// Seconds of a request.
    private func time(_ scheduler: Scheduler, _ images: Int, rows: Int = 0, of picture: [UInt16] = []) async throws
        -> Double
    {
        var job = SamplingJob(count: images, seed: 1, height: 32, width: 32)
        if rows > 0 { job.given = GivenPixels(height: 32, width: 32, values: picture, kept: .rows(rows)) }
        let start = ContinuousClock.now
        _ = try await scheduler.sample(job)
        return (ContinuousClock.now - start).inSeconds
    }
}
