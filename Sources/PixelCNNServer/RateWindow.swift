// What was completed in the last minute, for people: Prometheus has the totals and takes its own differences. Totals are
// noted once a second; a rate is the difference from the oldest note.

import Synchronization

final class RateWindow: Sendable {
    /// Totals since the start.
    struct Totals: Equatable {
        var uptime = Duration.zero
        var images: UInt64 = 0
        var values: UInt64 = 0
    }

    static let length = Duration.seconds(60)

    /// Oldest first, the first at most ``length`` old (or the start).
    private let notes = Mutex([Totals()])

    /// Notes totals that have grown with time.
    func note(_ totals: Totals) {
        self.notes.withLock { notes in
            notes.append(totals)
            let expired = notes.prefix { $0.uptime < totals.uptime - Self.length }.count
            notes.removeFirst(min(expired, notes.count - 1))
        }
    }

    /// Images and values a second between the oldest note and `now`; zero where no time has passed.
    func rates(until now: Totals) -> (images: Double, values: Double) {
        let oldest = self.notes.withLock { notes in
            notes.first { $0.uptime >= now.uptime - Self.length } ?? notes[notes.count - 1]
        }
        let seconds = (now.uptime - oldest.uptime) / .seconds(1)
        guard seconds > 0 else { return (0, 0) }
        return (Double(now.images - oldest.images) / seconds, Double(now.values - oldest.values) / seconds)
    }
}
