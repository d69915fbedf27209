// Expositions as Prometheus's own client reads them.

import Metrics
import TestSupport
import Testing

@testable import Prometheus

@Suite(.enabled(if: PrometheusClient.isAvailable, Comment(rawValue: PrometheusClient.absence)))
struct PrometheusClientTests {
    @Test func hostileLabelsComeBackAsTheyWere() throws {
        let registry = PrometheusRegistry([MetricDescription("odd.total", help: "back\\slash\nnew line \"quotes\"")])
        Counter(
            label: "odd.total", dimensions: [("path", "a\\b\"c\nd ü,} # {"), ("empty", "")], factory: registry
        ).increment(by: 7)
        #expect(
            try PrometheusClient.parse(registry.render()) == [
                #"counter odd_total {"empty": "", "path": "a\\b\"c\nd \u00fc,} # {"} 7.0"#
            ])
    }

    @Test func histogramsAreReadWhole() throws {
        let registry = PrometheusRegistry([MetricDescription("wait_seconds", help: "Waiting.", buckets: [0.25, 1])])
        for seconds in [0.125, 0.5, 4.0] {
            Timer(label: "wait_seconds", dimensions: [("route", "/a")], factory: registry).recordSeconds(seconds)
        }
        let samples = try PrometheusClient.parse(registry.render())
        #expect(
            samples == [
                #"histogram wait_seconds_bucket {"le": "0.25", "route": "/a"} 1.0"#,
                #"histogram wait_seconds_bucket {"le": "1", "route": "/a"} 2.0"#,
                #"histogram wait_seconds_bucket {"le": "+Inf", "route": "/a"} 3.0"#,
                #"histogram wait_seconds_sum {"route": "/a"} 4.625"#,
                #"histogram wait_seconds_count {"route": "/a"} 3.0"#,
            ])
    }

    @Test func numbersKeepTheirValue() throws {
        let registry = PrometheusRegistry()
        for value in [0, 0.1, 1e-300, 1.7976931348623157e308, 9_007_199_254_740_992, -2.5] {
            Gauge(label: "g", dimensions: [("v", "\(value)")], factory: registry).record(value)
        }
        Gauge(label: "g", dimensions: [("v", "inf")], factory: registry).record(Double.infinity)
        for line in try PrometheusClient.parse(registry.render()) {
            let parts = line.split(separator: " ")
            #expect(parts.count == 5, "\(line)")
            #expect(Double(parts[3].dropFirst().dropLast(2)) == Double(parts[4]), "\(line)")
        }
    }
}
