// Images per second, by images at once and threads. Each thread has its own session with its share of the images, like
// the daemon's compute threads.

import Foundation
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel

/// Images drawn, or scored, together.
struct SampleRunResult: Encodable {
    let precision: String
    let size: Int
    let isScore: Bool
    let images: Int
    let threads: Int
    let seconds: Double
    let imagesPerSecond: Double
    let runs: Int
}

/// One case: what is computed, by how many threads.
struct SampleRun {
    let engine: Engine
    var size = 32
    var isScore = false
    let images: Int
    let threads: Int

    /// Whether each thread has work: a second one can help with a single image.
    var usesAllThreads: Bool { threads <= images || (images == 1 && threads == 2) }

    /// The median time of several runs.
    func measured(runs: Int, limit: Duration) -> SampleRunResult {
        let timing: Timing
        if images < threads {
            let session = HelpedSession(engine)
            timing = .median(runs: runs, limit: limit) { session.draw(size: size, scoring: isScore) }
            session.stop()
        } else {
            timing = .median(runs: runs, limit: limit) {
                draw(engine, images: images, threads: threads, size: size, scoring: isScore)
            }
        }
        return SampleRunResult(
            precision: engine.precision.rawValue, size: size, isScore: isScore, images: images, threads: threads,
            seconds: timing.seconds, imagesPerSecond: Double(images) / timing.seconds, runs: timing.runs)
    }
}

/// Seconds to draw `images` images of `size` × `size` on `threads` threads, including the allocation of sessions; one
/// image on two threads needs a ``HelpedSession``.
func draw(_ engine: Engine, images: Int, threads: Int, size: Int, scoring: Bool = false) -> Double {
    seconds {
        onThreads(threads) { thread in
            let share = images / threads + (thread < images % threads ? 1 : 0)
            let session = SamplingSession(engine: engine, capacity: share)
            for i in 0..<share {
                session.add(engine.task(UInt64(thread * images + i), size: size, scoring: scoring), tag: i)
            }
            while session.count > 0 { session.step { _, _ in } }
        }
    }
}

/// Draws one image after the other on two threads, the second of which runs before and after, too, as a daemon's does.
final class HelpedSession {
    private let engine: Engine
    private let session: SamplingSession
    private let helper: Helper

    init(_ engine: Engine) {
        Kernels.resetFloatState()
        self.engine = engine
        session = SamplingSession(engine: engine, capacity: 1)
        helper = Helper(session)
    }

    /// Seconds of an image.
    func draw(size: Int, scoring: Bool = false) -> Double {
        seconds {
            session.add(engine.task(0, size: size, scoring: scoring), tag: 0)
            while session.count > 0 { session.step { _, _ in } }
        }
    }

    func stop() { helper.stop() }
}

extension Engine {
    /// Image `index` of a seed, of the first class if there are classes, drawn from the model's own distribution; or
    /// one to be scored.
    func task(_ index: UInt64, size: Int, scoring: Bool = false) -> ImageTask {
        let count = hyperparameters.channels * size * size
        return ImageTask(
            height: size, width: size, label: hyperparameters.isConditional ? 0 : nil,
            source: scoring
                ? .score(values: (0..<count).map { UInt16(($0 * 7 + Int(index)) % hyperparameters.colors) })
                : .sample(seed: 1, index: index, parameters: SamplingParameters()))
    }
}

/// Drawing and scoring with the published network, in each engine's precision; scores of one image and of 64.
func measureSampleRuns(_ engines: [Engine], _ plan: Plan, cores: Int) -> [SampleRunResult] {
    for engine in engines { _ = draw(engine, images: cores, threads: cores, size: 32) }  // wakes up cores and pages
    let drawn = engines.flatMap { engine in
        plan.images.flatMap { images in
            threadCounts(upTo: cores).map { SampleRun(engine: engine, images: images, threads: $0) }
        }
    }
    let scored = engines.flatMap { engine in
        [1, 64].flatMap { images in
            threadCounts(upTo: cores).map {
                SampleRun(engine: engine, isScore: true, images: images, threads: $0)
            }
        }
    }
    return (drawn + scored).filter(\.usesAllThreads).map { run in
        report(
            "\(run.images) images \(run.isScore ? "scored" : "drawn") at once on \(run.threads) threads, "
                + run.engine.precision.rawValue)
        return run.measured(runs: plan.runs, limit: plan.limit)
    }
}
