// Images per second, by images at once and threads. Each thread has its own session with its share of the images, like
// the daemon's compute threads.

import Foundation
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel

/// Images drawn together.
struct SampleRunResult: Encodable {
    let images: Int
    let threads: Int
    let seconds: Double
    let imagesPerSecond: Double
    let runs: Int

    init(_ images: Int, _ threads: Int, _ timing: Timing) {
        (self.images, self.threads, seconds, runs) = (images, threads, timing.seconds, timing.runs)
        imagesPerSecond = Double(images) / timing.seconds
    }
}

/// Whether each thread has work: a second one can help with a single image.
func canDraw(images: Int, threads: Int) -> Bool { threads <= images || (images == 1 && threads == 2) }

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

/// The median time of drawing, or scoring, so many images.
func timeToDraw(
    _ engine: Engine, images: Int, threads: Int, size: Int, scoring: Bool = false, runs: Int, limit: Duration
) -> Timing {
    guard images < threads else {
        return .median(runs: runs, limit: limit) {
            draw(engine, images: images, threads: threads, size: size, scoring: scoring)
        }
    }
    let session = HelpedSession(engine)
    defer { session.stop() }
    return .median(runs: runs, limit: limit) { session.draw(size: size, scoring: scoring) }
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

func measureSampleRuns(_ engine: Engine, _ plan: Plan, cores: Int) -> [SampleRunResult] {
    _ = draw(engine, images: cores, threads: cores, size: 32)  // wakes up cores and pages
    return plan.images.flatMap { images in
        threadCounts(upTo: cores).filter { canDraw(images: images, threads: $0) }.map { threads in
            report("\(images) images at once on \(threads) threads")
            return SampleRunResult(
                images, threads,
                timeToDraw(
                    engine, images: images, threads: threads, size: 32, runs: plan.runs, limit: plan.limit))
        }
    }
}
