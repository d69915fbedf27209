// `pixelcnn-bench completion`: the time of completing a picture against that of drawing it, with its given rows in the
// prefix cache and not, by rows and number of images; and the cost of filling the cache if its rows are never requested
// again. Only the scheduler, without server and socket. The variants of each case take turns, so that a machine which
// slows down slows all of them.

import ArgumentParser
import Foundation
import PixelCNNEngine
import PixelCNNModel
import PixelCNNScheduler
import Support

struct Completion: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Time completions and whole images.",
        discussion: """
            Prints a table of medians; a request's time is from sending it to having the values. Exits with 1 if a \
            known prefix is computed again, or if eight completions of half a picture take more than 0.6 of the time \
            of eight whole images.
            """)

    /// The most that eight completions of one half picture may take of the time of eight whole images.
    private static let most = 0.6
    private static let side = 32

    @Option(help: "Runs of each case; the median counts.") var runs = 5
    @Option(help: "Images of the large job, drawn with and without the prefix cache.") var large = 128
    @Option(help: "Worker threads.") var threads = MachineLimits.current.processors

    func validate() throws {
        guard runs > 0, large > 0, threads > 0 else {
            throw ValidationError("--runs, --large and --threads take numbers above 0")
        }
    }

    func run() async throws {
        let engine = Engine(model: Model.random(try Hyperparameters(), seed: 1))
        func scheduler(_ bytes: Int) throws -> Scheduler {
            try Scheduler(engine: engine, threads: threads, maximumQueuedImages: 1_000_000, prefixCacheBytes: bytes)
        }
        let (warm, cold) = try (scheduler(PrefixCache.defaultByteLimit), scheduler(0))
        for scheduler in [warm, cold] { try await scheduler.warmUp() }

        report("completions of half a picture")
        let half = try await compare(warm, images: 8, rows: Self.side / 2)
        let share = half.unknown / half.whole
        print(
            String(
                format: "8 completions of one half picture: %.0f ms, of 8 whole images' %.0f ms: %.2f (at most %.1f)",
                half.unknown * 1000, half.whole * 1000, share, Self.most))
        print(
            "again: \(half.hits) images found their rows, \(half.misses) did not; "
                + "\(half.rowsSaved) of \(half.rowsGiven) given rows were known\n")
        var isSound = half.isKnown && share <= Self.most

        print("| rows given | images | whole, ms | rows unknown, ms | rows known, ms | of whole | saved by knowing |")
        print("|---|---|---|---|---|---|---|")
        for rows in [4, 8, 16, 24] {
            for images in [1, 8, 64] {
                report("\(rows) rows given, \(images) images")
                let comparison = try await compare(warm, images: images, rows: rows)
                isSound = isSound && comparison.isKnown
                print(
                    String(
                        format: "| %d | %d | %.1f | %.1f | %.1f | %.2f | %.0f %% |", rows, images,
                        comparison.whole * 1000,
                        comparison.unknown * 1000, comparison.known * 1000, comparison.known / comparison.whole,
                        100 * (1 - comparison.known / comparison.unknown)))
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
                format: "\n%d images: %.2f s without remembering rows, %.2f s with (%+.1f %%)", large, middle(without),
                middle(with), 100 * (middle(with) / middle(without) - 1)))
        await warm.stop()
        await cold.stop()
        if !isSound { throw ExitCode.failure }
    }

    /// Medians of one case in seconds, and what the requests with cached rows found.
    private struct Comparison {
        let whole: Double
        let unknown: Double
        let known: Double
        let rowsGiven: Int
        let hits: Int
        let misses: Int
        let rowsSaved: Int

        /// Whether no given row was computed again.
        var isKnown: Bool { misses == 0 && hits > 0 && rowsSaved == rowsGiven }
    }

    /// In turns: whole images, completions of a new picture, and more completions of the same one.
    private func compare(_ scheduler: Scheduler, images: Int, rows: Int) async throws -> Comparison {
        var (whole, unknown, known): ([Double], [Double], [Double]) = ([], [], [])
        var (hits, misses, rowsSaved) = (0, 0, 0)
        for _ in 0..<runs {
            let picture = GivenPixels(
                height: Self.side, width: Self.side,
                values: (0..<3 * Self.side * Self.side).map { _ in UInt16.random(in: 0...255) }, kept: .rows(rows))
            whole.append(try await time(scheduler, images))
            unknown.append(try await time(scheduler, images, given: picture))
            let before = scheduler.status.prefixCache
            known.append(try await time(scheduler, images, seed: 2, given: picture))
            let after = scheduler.status.prefixCache
            hits += Int(after.hits - before.hits)
            misses += Int(after.misses - before.misses)
            rowsSaved += Int(after.rowsSaved - before.rowsSaved)
        }
        return Comparison(
            whole: middle(whole), unknown: middle(unknown), known: middle(known), rowsGiven: runs * images * rows,
            hits: hits, misses: misses, rowsSaved: rowsSaved)
    }

    /// Seconds of a request.
    private func time(
        _ scheduler: Scheduler, _ images: Int, seed: UInt64 = 1, given: GivenPixels? = nil
    ) async throws -> Double {
        let job = SamplingJob(count: images, seed: seed, height: Self.side, width: Self.side, given: given)
        let start = ContinuousClock.now
        _ = try await scheduler.sample(job)
        return (ContinuousClock.now - start).inSeconds
    }
}
