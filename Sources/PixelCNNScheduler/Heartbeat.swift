// When a worker last moved, for a watchdog. A beat is one store, so it costs a step nothing that could be measured.

import Dispatch
import Synchronization

/// Written by one worker, read by anybody.
final class Heartbeat: Sendable {
    /// Nanoseconds of a clock that stands still while the machine sleeps; 0 while there is nothing to do.
    private let lastBeat = Atomic<UInt64>(0)

    /// A step begins.
    func beat() { lastBeat.store(DispatchTime.now().uptimeNanoseconds, ordering: .relaxed) }

    /// There is nothing to do.
    func rest() { lastBeat.store(0, ordering: .relaxed) }

    /// Time since the last beat; zero at rest.
    var silence: Duration {
        let last = lastBeat.load(ordering: .relaxed)
        let now = DispatchTime.now().uptimeNanoseconds
        return last == 0 || now <= last ? .zero : .nanoseconds(Int64(now - last))
    }
}
