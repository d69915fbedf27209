// 64 images at 64 different positions against 64 in step. An image joins every 17 steps, and a complete one is replaced
// at once: 17 and 32 × 32 have no common divisor, so positions stay different, and columns differ as well. In both
// cases 32 × 32 steps are timed, in which every image, or its successor, computes each of its pixels once.

import Foundation
import PixelCNNEngine

/// The same number of pixels, both ways.
struct PositionsResult: Encodable {
    let images: Int
    let threads: Int
    let inStepImagesPerSecond: Double
    let differentImagesPerSecond: Double
    /// Different over in step, of runs in turns: 1 if positions cost nothing.
    let ratio: Double
    let runs: Int
}

func measurePositions(_ engine: Engine, _ plan: Plan, cores: Int) -> [PositionsResult] {
    threadCounts(upTo: cores).map { threads in
        report("64 images at different positions on \(threads) threads")
        // In turns, so that a machine that slows down meanwhile slows down both.
        var (different, inStep): ([Double], [Double]) = ([], [])
        repeat {
            different.append(timeRound(engine, threads: threads, stepsBetween: 17))
            inStep.append(timeRound(engine, threads: threads, stepsBetween: 0))
        } while inStep.count < plan.runs && inStep.reduce(0, +) < plan.limit.inSeconds
        let ratios = zip(inStep, different).map { $0 / $1 }
        return PositionsResult(
            images: roundImages, threads: threads, inStepImagesPerSecond: Double(roundImages) / middle(inStep),
            differentImagesPerSecond: Double(roundImages) / middle(different), ratio: middle(ratios),
            runs: inStep.count)
    }
}

private let roundImages = 64
private let roundSize = 32

/// Seconds of 32 × 32 steps of 64 images on `threads` threads. Image i is `stepsBetween` · i steps behind image 0.
private func timeRound(_ engine: Engine, threads: Int, stepsBetween: Int) -> Double {
    let sessions = Sessions(
        (0..<threads).map { thread in
            // A thread's images are every threads-th of the 64, so that no two of them are at the same pixel.
            let mine = Array(stride(from: thread, to: roundImages, by: threads))
            let session = SamplingSession(engine: engine, capacity: mine.count)
            var steps = (mine.first ?? 0) * stepsBetween
            for (i, image) in mine.enumerated() {
                while steps < image * stepsBetween {
                    stepReplacing(session, engine)
                    steps += 1
                }
                session.add(engine.task(UInt64(image), size: roundSize), tag: i)
            }
            return session
        })
    return seconds {
        onThreads(threads) { thread in
            for _ in 0..<roundSize * roundSize { stepReplacing(sessions[thread], engine) }
        }
    }
}

/// Takes every image a pixel further; a new one follows each that is complete.
private func stepReplacing(_ session: SamplingSession, _ engine: Engine) {
    var finished: [Int] = []
    session.step { tag, _ in finished.append(tag) }
    for tag in finished { session.add(engine.task(UInt64(roundImages + tag), size: roundSize), tag: tag) }
}

/// Sessions made on one thread and each used by one other: a session belongs to one thread at a time, not
/// always to the same.
private final class Sessions: @unchecked Sendable {
    private let sessions: [SamplingSession]

    init(_ sessions: [SamplingSession]) { self.sessions = sessions }

    subscript(thread: Int) -> SamplingSession { sessions[thread] }
}
