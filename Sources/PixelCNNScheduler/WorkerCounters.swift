// What one worker has done so far, for status and metrics: written by the worker with each piece, read by anybody, no
// lock in between.

import Synchronization

/// Sums that only grow.
final class WorkerCounters: Sendable {
    private let busyNanoseconds = Atomic<Int64>(0)
    private let stepCount = Atomic<UInt64>(0), imageStepCount = Atomic<UInt64>(0)

    /// Time spent on images, own or another worker's.
    var busySeconds: Double { Double(busyNanoseconds.load(ordering: .relaxed)) * 1e-9 }
    /// Steps of a session.
    var steps: UInt64 { stepCount.load(ordering: .relaxed) }
    /// Images stepped, over all steps.
    var imageSteps: UInt64 { imageStepCount.load(ordering: .relaxed) }

    /// Counts time spent.
    func didSpend(_ time: Duration) { busyNanoseconds.wrappingAdd(time.nanoseconds, ordering: .relaxed) }

    /// Counts a step that took `images` images further.
    func didStep(images: Int) {
        stepCount.wrappingAdd(1, ordering: .relaxed)
        imageStepCount.wrappingAdd(UInt64(images), ordering: .relaxed)
    }
}

extension Duration {
    /// This duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    /// This duration in nanoseconds, as far as they can be told.
    var nanoseconds: Int64 {
        let (product, isTooLong) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isTooLongYet) = product.addingReportingOverflow(components.attoseconds / 1_000_000_000)
        return isTooLong || isTooLongYet ? (components.seconds < 0 ? .min : .max) : sum
    }
}
