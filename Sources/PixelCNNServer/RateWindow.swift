// What was completed in the last minute, for people: Prometheus has the totals and takes its own differences. Totals
// are noted once a second; a rate is the difference from the oldest note.

import Synchronization

final class RateWindow: Sendable {
    /// Totals since the start.
    struct Totals: Equatable {
        var uptime = Duration.zero
        var images: UInt64 = 0
        var values: UInt64 = 0
        var steps: UInt64 = 0
        var imageSteps: UInt64 = 0
        var busySeconds = 0.0
    }

    struct Rates: Equatable {
        /// Per second.
        var images = 0.0
        /// Per second.
        var values = 0.0
        /// Images that a step takes further; 0 where there was none.
        var imagesPerStep = 0.0
        /// Threads that computed, on average.
        var busyThreads = 0.0
    }

    static let length = Duration.seconds(60)

    /// Oldest first, the first at most ``length`` old (or the start).
    private let notes = Mutex([Totals()])

    /// Notes totals that have grown with time.
    func note(_ totals: Totals) {
        notes.withLock { notes in
            notes.append(totals)
            let expired = notes.prefix { $0.uptime < totals.uptime - Self.length }.count
            notes.removeFirst(min(expired, notes.count - 1))
        }
    }

    /// What has grown from the oldest note until `now`; zero where no time has passed.
    func rates(until now: Totals) -> Rates {
        let oldest = notes.withLock { notes in
            notes.first { $0.uptime >= now.uptime - Self.length } ?? notes[notes.count - 1]
        }
        let seconds = (now.uptime - oldest.uptime) / .seconds(1)
        guard seconds > 0 else { return Rates() }
        // A note may have been taken after the counters of `now` were read.
        func growth(_ counter: KeyPath<Totals, UInt64>) -> Double {
            Double(max(now[keyPath: counter], oldest[keyPath: counter]) - oldest[keyPath: counter])
        }
        let steps = growth(\.steps)
        return Rates(
            images: growth(\.images) / seconds, values: growth(\.values) / seconds,
            imagesPerStep: steps > 0 ? growth(\.imageSteps) / steps : 0,
            busyThreads: (now.busySeconds - oldest.busySeconds) / seconds)
    }
}
