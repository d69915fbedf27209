// A backend of swift-metrics that Prometheus scrapes. Counters are counters, meters and recorders that do not aggregate
// are gauges, timers (in seconds) and recorders that aggregate are histograms. What others count already is not counted
// again: a collector reads it when a scrape comes. A scrape costs some microseconds a sample and holds up nobody.

import CoreMetrics
import Synchronization

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

    /// A counter.
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { CounterSeries() }
    }

    /// A counter of fractions.
    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { CounterSeries() }
    }

    /// A gauge.
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

    /// A histogram of seconds.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions)
    }

    /// Forgets a counter.
    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    /// Forgets a counter.
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    /// Forgets a gauge.
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    /// Forgets a gauge or histogram.
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    /// Forgets a histogram.
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
        return self.families.withLock { families in
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
        self.families.withLock { families in
            for (name, family) in families {
                for (key, entry) in family.series where entry.series === handler {
                    families[name]?.series[key] = nil
                }
            }
        }
    }
}
