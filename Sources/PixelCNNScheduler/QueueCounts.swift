// What the queue has, for whoever asks without its lock: a worker that holds the lock runs at low priority and may lose
// its core meanwhile, and status and refusals are wanted at once, above all under load.

import Synchronization

/// Written under the queue's lock, read by anybody.
final class QueueCounts: Sendable {
    /// In flight and queued, of one moment: an image is always in one of them.
    private let images = Atomic<UInt64>(0), requests = Atomic<UInt64>(0)
    private let imagesCompleted = Atomic<UInt64>(0), valuesDrawn = Atomic<UInt64>(0)
    private let hasStopped = Atomic<Bool>(false)

    /// Takes over what has changed.
    func note(_ placement: Placement) {
        images.store(Self.pack(placement.imagesInFlight, placement.imagesQueued), ordering: .relaxed)
        requests.store(Self.pack(placement.requestsInFlight, placement.requestsQueued), ordering: .relaxed)
    }

    /// Counts images that are complete.
    func didComplete(images: Int, values: Int) {
        imagesCompleted.wrappingAdd(UInt64(images), ordering: .relaxed)
        valuesDrawn.wrappingAdd(UInt64(values), ordering: .relaxed)
    }

    func stop() { hasStopped.store(true, ordering: .relaxed) }

    var isStopped: Bool { hasStopped.load(ordering: .relaxed) }
    var imagesQueued: Int { Self.unpack(images.load(ordering: .relaxed)).queued }

    /// The status, but for the workers' part.
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
