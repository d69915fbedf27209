// The values behind swift-metrics' handles, one object for each set of labels. A lock a value: it is held for a few
// instructions, and a scrape sees a histogram's buckets, sum and count of the same moment.

import CoreMetrics
import Synchronization

/// One set of labels of a metric.
protocol Series: AnyObject, Sendable {
    /// The samples at this moment, without the series' own labels.
    var samples: [MetricSnapshot.Sample] { get }
}

/// A number that only grows; decrements are ignored, as a counter that falls reads as a restart.
final class CounterSeries: Series, CounterHandler, FloatingPointCounterHandler {
    private let value = Mutex(0.0)

    func increment(by amount: Int64) { self.increment(by: Double(amount)) }

    func increment(by amount: Double) {
        guard amount > 0 else { return }
        value.withLock { $0 += amount }
    }

    func reset() { value.withLock { $0 = 0 } }

    var samples: [MetricSnapshot.Sample] { [.init(value: value.withLock { $0 })] }
}

/// A number that goes up and down.
final class GaugeSeries: Series, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)

    func set(_ value: Int64) { self.set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }

    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    var samples: [MetricSnapshot.Sample] { [.init(value: value.withLock { $0 })] }
}

/// Counts by size. A timer's values are seconds.
final class HistogramSeries: Series, RecorderHandler, TimerHandler {
    private struct Counts {
        var inBucket: [UInt64]  // values ≤ the bound and > the one before; last those above all bounds
        var sum = 0.0
    }

    private let bounds: [Double]  // ascending
    private let counts: Mutex<Counts>

    init(bounds: [Double]) {
        self.bounds = bounds
        self.counts = Mutex(Counts(inBucket: Array(repeating: 0, count: bounds.count + 1)))
    }

    func record(_ value: Int64) { self.record(Double(value)) }

    func record(_ value: Double) {
        guard !value.isNaN else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        counts.withLock {
            $0.inBucket[bucket] += 1
            $0.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) * 1e-9) }

    var samples: [MetricSnapshot.Sample] {
        let counts = self.counts.withLock { $0 }
        var total: UInt64 = 0
        var samples: [MetricSnapshot.Sample] = []
        for (bound, count) in zip(bounds + [.infinity], counts.inBucket) {
            total += count
            samples.append(
                .init(suffix: "_bucket", labels: [("le", TextExposition.number(bound))], value: Double(total)))
        }
        samples.append(.init(suffix: "_sum", value: counts.sum))
        samples.append(.init(suffix: "_count", value: Double(total)))
        return samples
    }
}
