// A backend of swift-metrics that Prometheus scrapes. Counters are counters, meters and recorders that do not aggregate
// are gauges, timers (in seconds) and recorders that aggregate are histograms. What others count already is not counted
// again: a collector reads it when a scrape comes. A scrape costs some microseconds per sample and holds up nobody.

import CoreMetrics
import Synchronization

/// How a metric is shown: what swift-metrics' handles have no place for.
package struct MetricDescription: Sendable {
    /// Bounds in seconds, from a small response to a long job.
    package static let secondsBuckets = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]

    /// The label that handles are made with.
    package var name: String
    /// One sentence for a person.
    package var help: String
    /// Upper bounds of a histogram's buckets, ascending; the last, +Inf, is added. Counters and gauges have none.
    package var buckets: [Double]

    package init(_ name: String, help: String, buckets: [Double] = Self.secondsBuckets) {
        precondition(zip(buckets, buckets.dropFirst()).allSatisfy(<), "bounds ascend")
        self.name = name
        self.help = help
        self.buckets = buckets
    }
}

/// All metrics of a process.
package final class PrometheusRegistry: MetricsFactory {
    /// What ``render()`` gives, as `Content-Type` has it.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private struct Family {
        let kind: MetricSnapshot.Kind
        /// By the text of the labels, so that equal labels share a series.
        var series: [String: (labels: [(String, String)], series: any Series)] = [:]
    }

    private let descriptions: [String: MetricDescription]
    private let families = Mutex<[String: Family]>([:])
    private let collectors = Mutex<[@Sendable () -> [MetricSnapshot]]>([])

    /// A registry without metrics; handles whose label is described get its help and buckets.
    package init(_ descriptions: [MetricDescription] = []) {
        self.descriptions = Dictionary(descriptions.map { ($0.name, $0) }) { $1 }
    }

    /// Calls `collect` at each scrape, on the scraping thread.
    package func addCollector(_ collect: @Sendable @escaping () -> [MetricSnapshot]) {
        collectors.withLock { $0.append(collect) }
    }

    /// The exposition, in the text format 0.0.4: sorted by name, then by labels.
    package func render() -> String {
        let registered = families.withLock { $0 }.map { name, family in
            let samples = family.series.sorted { $0.key < $1.key }.flatMap { _, entry in
                entry.series.samples.map { sample in
                    var sample = sample
                    sample.labels = entry.labels + sample.labels
                    return sample
                }
            }
            return MetricSnapshot(
                name, family.kind, help: descriptions[name]?.help ?? "", samples: samples)
        }
        let collected = collectors.withLock { $0 }.flatMap { $0() }
        return TextExposition.render(registered + collected)
    }

    // MARK: - MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { CounterSeries() }
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { CounterSeries() }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { GaugeSeries() }
    }

    /// A histogram where it aggregates, else a gauge.
    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? histogram(label, dimensions) : series(label, dimensions, .gauge) { GaugeSeries() }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions)
    }

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    // MARK: - Series

    private func histogram(_ name: String, _ labels: [(String, String)]) -> HistogramSeries {
        let bounds = descriptions[name]?.buckets ?? MetricDescription.secondsBuckets
        return series(name, labels, .histogram) { HistogramSeries(bounds: bounds) }
    }

    /// The series of these labels, made where there is none yet; the order of labels does not matter.
    private func series<T: Series>(
        _ name: String, _ labels: [(String, String)], _ kind: MetricSnapshot.Kind, make: () -> T
    ) -> T {
        let labels = labels.sorted { $0.0 < $1.0 }
        let key = TextExposition.labels(labels)
        return families.withLock { families in
            if let entry = families[name]?.series[key] {
                guard let series = entry.series as? T else {
                    preconditionFailure("the metric \(name) is of two kinds")
                }
                return series
            }
            precondition(families[name]?.kind ?? kind == kind, "the metric \(name) is of two kinds")
            let series = make()
            families[name, default: Family(kind: kind)].series[key] = (labels, series)
            return series
        }
    }

    private func remove(_ handler: AnyObject) {
        families.withLock { families in
            for (name, family) in families {
                for (key, entry) in family.series where entry.series === handler {
                    families[name]?.series[key] = nil
                }
            }
        }
    }
}

// MARK: - Values

/// The values of one set of labels: what is behind swift-metrics' handles. A lock per value: it is held for a few
/// instructions, and a scrape sees a histogram's buckets, sum and count of the same moment.
private protocol Series: AnyObject, Sendable {
    /// The samples at this moment, without the series' own labels.
    var samples: [MetricSnapshot.Sample] { get }
}

/// A number that only grows; decrements are ignored, as a counter that falls reads as a restart.
private final class CounterSeries: Series, CounterHandler, FloatingPointCounterHandler {
    private let value = Mutex(0.0)

    func increment(by amount: Int64) { increment(by: Double(amount)) }

    func increment(by amount: Double) {
        guard amount > 0 else { return }
        value.withLock { $0 += amount }
    }

    func reset() { value.withLock { $0 = 0 } }

    var samples: [MetricSnapshot.Sample] { [.init(value: value.withLock { $0 })] }
}

/// A number that goes up and down.
private final class GaugeSeries: Series, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }

    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    var samples: [MetricSnapshot.Sample] { [.init(value: value.withLock { $0 })] }
}

/// Counts by size. A timer's values are seconds.
private final class HistogramSeries: Series, RecorderHandler, TimerHandler {
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

    func record(_ value: Int64) { record(Double(value)) }

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
