// What swift-metrics' handles have no place for: a sentence for a person, and a histogram's bounds.

/// How a metric is shown.
package struct MetricDescription: Sendable {
    /// Bounds in seconds, from a small answer to a long job.
    package static let secondsBuckets = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
    ]

    /// The label that handles are made with.
    package var name: String
    /// One sentence for a person.
    package var help: String
    /// Upper bounds of a histogram's buckets, ascending; the last, +Inf, is added.
    package var buckets: [Double]

    /// A description; only recorders that aggregate and timers look at the buckets.
    package init(_ name: String, help: String, buckets: [Double] = Self.secondsBuckets) {
        precondition(zip(buckets, buckets.dropFirst()).allSatisfy(<), "bounds ascend")
        (self.name, self.help, self.buckets) = (name, help, buckets)
    }
}
