// What the scheduler is doing. Reading it does not take the queue's lock: a worker that holds it runs at low priority
// and may lose its core meanwhile, and status and rejections are wanted at once, above all under load.

import PixelCNNEngine
import Synchronization

/// Counts of one moment, and totals since the start.
package struct SchedulerStatus: Sendable, Equatable {
    /// Requests with at least one image being computed.
    package var requestsInFlight = 0
    /// Requests none of whose images has been taken up.
    package var requestsQueued = 0
    /// Images being computed.
    package var imagesInFlight = 0
    /// Images waiting.
    package var imagesQueued = 0
    /// Images finished since the start.
    package var imagesCompleted: UInt64 = 0
    /// Values (C·H·W per image) of the images finished since the start.
    package var valuesDrawn: UInt64 = 0
    /// Worker threads.
    package var threads = 0
    /// Seconds that all threads together have computed since the start.
    package var busySeconds = 0.0
    /// Steps since the start. A step takes images that stand together one pixel further.
    package var steps: UInt64 = 0
    /// Images taken a pixel further since the start; divided by steps, the images per step.
    package var imageSteps: UInt64 = 0
    /// What is remembered of first rows, and what that has saved.
    package var prefixCache = PrefixCacheStatus()

    package init() {}

    /// What only grows: without what is in flight or queued, and without the threads.
    package var totals: SchedulerStatus {
        var totals = self
        totals.requestsInFlight = 0
        totals.requestsQueued = 0
        totals.imagesInFlight = 0
        totals.imagesQueued = 0
        totals.threads = 0
        totals.prefixCache = prefixCache.totals
        return totals
    }

    /// Adds another scheduler's counts; the threads and the cache's limit stay those of `sum`.
    package static func += (sum: inout SchedulerStatus, other: SchedulerStatus) {
        sum.requestsInFlight += other.requestsInFlight
        sum.requestsQueued += other.requestsQueued
        sum.imagesInFlight += other.imagesInFlight
        sum.imagesQueued += other.imagesQueued
        sum.imagesCompleted += other.imagesCompleted
        sum.valuesDrawn += other.valuesDrawn
        sum.busySeconds += other.busySeconds
        sum.steps += other.steps
        sum.imageSteps += other.imageSteps
        sum.prefixCache += other.prefixCache
    }
}

/// The queue's part of the status: written under its lock, read without.
final class QueueCounts: Sendable {
    /// In flight and queued, of one moment: an image is always in one of them.
    private let images = Atomic<UInt64>(0)
    private let requests = Atomic<UInt64>(0)
    private let imagesCompleted = Atomic<UInt64>(0)
    private let valuesDrawn = Atomic<UInt64>(0)
    private let hasStopped = Atomic<Bool>(false)

    /// Takes over what has changed.
    func note(_ dispatcher: Dispatcher) {
        images.store(Self.pack(dispatcher.imagesInFlight, dispatcher.imagesQueued), ordering: .relaxed)
        requests.store(Self.pack(dispatcher.requestsInFlight, dispatcher.requestsQueued), ordering: .relaxed)
    }

    /// Counts images that are complete.
    func didComplete(images: Int, values: Int) {
        imagesCompleted.wrappingAdd(UInt64(images), ordering: .relaxed)
        valuesDrawn.wrappingAdd(UInt64(values), ordering: .relaxed)
    }

    func stop() { hasStopped.store(true, ordering: .relaxed) }

    var isStopped: Bool { hasStopped.load(ordering: .relaxed) }
    var imagesQueued: Int { Self.unpack(images.load(ordering: .relaxed)).queued }

    /// The status without the workers' part.
    var status: SchedulerStatus {
        var status = SchedulerStatus()
        (status.imagesInFlight, status.imagesQueued) = Self.unpack(images.load(ordering: .relaxed))
        (status.requestsInFlight, status.requestsQueued) = Self.unpack(requests.load(ordering: .relaxed))
        status.imagesCompleted = imagesCompleted.load(ordering: .relaxed)
        status.valuesDrawn = valuesDrawn.load(ordering: .relaxed)
        return status
    }

    private static func pack(_ inFlight: Int, _ queued: Int) -> UInt64 {
        UInt64(UInt32(clamping: inFlight)) << 32 | UInt64(UInt32(clamping: queued))
    }

    private static func unpack(_ pair: UInt64) -> (inFlight: Int, queued: Int) {
        (Int(pair >> 32), Int(UInt32(truncatingIfNeeded: pair)))
    }
}

/// One worker's part of the status, which only grows: written by the worker with each piece, read by anybody, without a
/// lock.
final class WorkerCounters: Sendable {
    private let busyNanoseconds = Atomic<Int64>(0)
    private let stepCount = Atomic<UInt64>(0)
    private let imageStepCount = Atomic<UInt64>(0)

    /// Time spent on images, own or another worker's.
    var busySeconds: Double { Double(busyNanoseconds.load(ordering: .relaxed)) * 1e-9 }
    /// Steps of a session.
    var steps: UInt64 { stepCount.load(ordering: .relaxed) }
    /// Images stepped, over all steps.
    var imageSteps: UInt64 { imageStepCount.load(ordering: .relaxed) }

    func didSpend(_ time: Duration) { busyNanoseconds.wrappingAdd(time.nanoseconds, ordering: .relaxed) }

    /// Counts a step that took `images` images further.
    func didStep(images: Int) {
        stepCount.wrappingAdd(1, ordering: .relaxed)
        imageStepCount.wrappingAdd(UInt64(images), ordering: .relaxed)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    /// The nearest integer that there is, where the duration is too long.
    var nanoseconds: Int64 {
        let (product, productOverflows) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, sumOverflows) = product.addingReportingOverflow(components.attoseconds / 1_000_000_000)
        return productOverflows || sumOverflows ? (components.seconds < 0 ? .min : .max) : sum
    }
}
