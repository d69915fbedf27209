// Waiting for another thread that is a few microseconds away: spin first, since to sleep and be woken takes longer than
// what is waited for; park after that, since the other thread may have lost its core.

import CPixelKernels
import Foundation
import Synchronization

/// One side waits for a condition, the other makes it true and rings.
final class Bell: @unchecked Sendable {
    /// Some 50 µs: a few passes of the published network.
    private static let spins = 2000

    private let condition = NSCondition()
    private let isParked = Atomic<Bool>(false)

    /// Returns when `isTrue`. It reads atomics that the other side stores, sequentially consistent, before it rings.
    func wait(until isTrue: () -> Bool) {
        for _ in 0..<Self.spins {
            if isTrue() { return }
            pixel_spin_hint()
        }
        condition.lock()
        isParked.store(true, ordering: .sequentiallyConsistent)
        while !isTrue() { condition.wait() }
        isParked.store(false, ordering: .relaxed)
        condition.unlock()
    }

    /// Wakes the other side where it is parked.
    func ring() {
        guard isParked.load(ordering: .sequentiallyConsistent) else { return }
        condition.withLock { condition.broadcast() }
    }
}
