// The registry through swift-metrics' own handles, read back line by line.

import Foundation
import Metrics
import Testing

@testable import Prometheus

@Suite struct PrometheusRegistryTests {
    /// The lines of an exposition that are samples of `name`.
    private func lines(_ registry: PrometheusRegistry, _ name: String) -> [String] {
        registry.render().split(separator: "\n").map(String.init).filter { $0.hasPrefix(name) }
    }

    @Test func countersAddUpByTheirLabels() {
        let registry = PrometheusRegistry()
        Counter(label: "hits_total", dimensions: [("route", "/a"), ("status", "200")], factory: registry).increment()
        Counter(label: "hits_total", dimensions: [("status", "200"), ("route", "/a")], factory: registry)
            .increment(by: 2)
        Counter(label: "hits_total", dimensions: [("route", "/b"), ("status", "200")], factory: registry).increment()
        #expect(
            lines(registry, "hits_total") == [
                #"hits_total{route="/a",status="200"} 3"#, #"hits_total{route="/b",status="200"} 1"#,
            ])
    }

    @Test func countersNeverFall() {
        let registry = PrometheusRegistry()
        let counter = FloatingPointCounter(label: "seconds_total", factory: registry)
        counter.increment(by: 1.5)
        counter.increment(by: -1)
        #expect(lines(registry, "seconds_total") == ["seconds_total 1.5"])
    }

    @Test func metersGoUpAndDown() {
        let registry = PrometheusRegistry()
        let meter = Meter(label: "in_flight", factory: registry)
        meter.increment(by: 5)
        meter.decrement()
        #expect(lines(registry, "in_flight") == ["in_flight 4"])
        meter.set(-0.25)
        #expect(lines(registry, "in_flight") == ["in_flight -0.25"])
    }

    @Test func gaugesKeepTheLastValue() {
        let registry = PrometheusRegistry()
        let gauge = Gauge(label: "level", factory: registry)
        gauge.record(7)
        gauge.record(3)
        #expect(registry.render() == "# TYPE level gauge\nlevel 3\n")
    }

    @Test func timersAreHistogramsOfSeconds() {
        let registry = PrometheusRegistry([MetricDescription("wait_seconds", help: "Waiting.", buckets: [0.1, 1])])
        let timer = Timer(label: "wait_seconds", factory: registry)
        for milliseconds in [50, 100, 500, 2000] { timer.recordMilliseconds(milliseconds) }
        #expect(
            registry.render() == """
                # HELP wait_seconds Waiting.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{le="0.1"} 2
                wait_seconds_bucket{le="1"} 3
                wait_seconds_bucket{le="+Inf"} 4
                wait_seconds_sum 2.65
                wait_seconds_count 4

                """)
    }

    @Test func recordersThatAggregateAreHistograms() {
        let registry = PrometheusRegistry([MetricDescription("batch", help: "", buckets: [1, 64])])
        let recorder = Recorder(label: "batch", factory: registry)
        for size in [1, 64, 65] { recorder.record(size) }
        #expect(lines(registry, "batch_bucket").map { $0.suffix(1) } == ["1", "2", "3"])
        #expect(lines(registry, "batch_sum") == ["batch_sum 130"])
    }

    @Test func collectorsAreCalledAtEachScrape() {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "own_total", factory: PrometheusRegistry())
        registry.addCollector { [MetricSnapshot("a", .gauge, help: "", value: 1)] }
        #expect(registry.render() == "# TYPE a gauge\na 1\n")
        counter.increment()
        #expect(registry.render() == "# TYPE a gauge\na 1\n")
    }

    @Test func destroyedHandlesDisappear() {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "gone_total", factory: registry)
        counter.increment()
        counter.destroy()
        #expect(registry.render() == "")
    }

    @Test func namesAndLabelsAreForcedIntoTheFormat() {
        let registry = PrometheusRegistry([MetricDescription("http.requests", help: "a\\b\nc")])
        Counter(
            label: "http.requests", dimensions: [("le:vel", "q\"b\\n\nü"), ("9", "")], factory: registry
        ).increment()
        #expect(
            registry.render() == #"""
                # HELP http_requests a\\b\nc
                # TYPE http_requests counter
                http_requests{_="",le_vel="q\"b\\n\nü"} 1

                """#)
    }

    @Test(arguments: [
        (0.0, "0"), (5, "5"), (-3, "-3"), (0.5, "0.5"), (1e300, "1e+300"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
        (.nan, "NaN"), (9_007_199_254_740_993, "9007199254740992.0"),
    ])
    func numbersAreWrittenAsGoReadsThem(value: Double, expected: String) {
        #expect(TextExposition.number(value) == expected)
    }

    @Test func theProcessIsThisOne() throws {
        let values = ProcessMetrics().read()
        #expect(try #require(values.residentBytes) > 1e6)
        #expect(try #require(values.virtualBytes) > 1e6)
        #expect(try #require(values.cpuSeconds) > 0)
        #expect(try #require(values.openDescriptors) >= 3)
        #expect(try #require(values.maximumDescriptors) >= 3)
        #expect(try #require(values.threads) >= 1)
        // The tests started within the last day.
        let start = try #require(values.startTime)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        #expect((0...86_400).contains(Double(now.tv_sec) - start + 1))
    }
}
