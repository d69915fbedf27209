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

/// Seconds to draw `images` images of `size` × `size` on `threads` threads, including the allocation of sessions.
func draw(_ engine: Engine, images: Int, threads: Int, size: Int) -> Double {
    if images < threads { return drawWithHelper(engine, size: size) }
    return seconds {
        onThreads(threads) { thread in
            let share = images / threads + (thread < images % threads ? 1 : 0)
            let session = SamplingSession(engine: engine, capacity: share)
            for i in 0..<share { session.add(engine.task(UInt64(thread * images + i), size: size), tag: i) }
            while session.count > 0 { session.step { _, _ in } }
        }
    }
}

/// Seconds to draw one image on two threads; the second one runs before and after, too.
private func drawWithHelper(_ engine: Engine, size: Int) -> Double {
    Kernels.resetFloatState()
    let session = SamplingSession(engine: engine, capacity: 1)
    let helper = Helper(session)
    defer { helper.stop() }
    return seconds {
        session.add(engine.task(0, size: size), tag: 0)
        while session.count > 0 { session.step { _, _ in } }
    }
}

extension Engine {
    /// Image `index` of a seed, of the first class if there are classes, drawn from the model's own distribution.
    func task(_ index: UInt64, size: Int) -> ImageTask {
        ImageTask(
            height: size, width: size, label: hyperparameters.isConditional ? 0 : nil,
            source: .sample(seed: 1, index: index, parameters: SamplingParameters()))
    }
}

func measureSampleRuns(_ engine: Engine, _ plan: Plan, cores: Int) -> [SampleRunResult] {
    _ = draw(engine, images: cores, threads: cores, size: 32)  // wakes up cores and pages
    return plan.images.flatMap { images in
        threadCounts(upTo: cores).filter { canDraw(images: images, threads: $0) }.map { threads in
            report("\(images) images at once on \(threads) threads")
            return SampleRunResult(
                images, threads,
                .median(runs: plan.runs, limit: plan.limit) {
                    draw(engine, images: images, threads: threads, size: 32)
                })
        }
    }
}
