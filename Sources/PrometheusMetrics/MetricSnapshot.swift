// What a scrape sees of one metric. Registered metrics are turned into it, and collectors, which know counts that
// somebody else keeps, hand it over ready made.

/// One metric's values at one moment.
package struct MetricSnapshot: Sendable {
    /// What the values mean; the raw value is the word of the text format.
    package enum Kind: String, Sendable {
        /// Only grows.
        case counter
        /// Goes up and down.
        case gauge
        /// Counts by size, in cumulative buckets.
        case histogram
    }

    /// One line of the exposition.
    package struct Sample: Sendable {
        /// What follows the metric's name, such as `_bucket`; mostly nothing.
        var suffix = ""
        /// Names and values; unlike names in the exposition they may hold any character.
        var labels: [(String, String)] = []
        /// The value.
        var value: Double
    }

    /// Letters, digits, `_` and `:`; anything else becomes `_`.
    package var name: String
    /// What the values mean.
    package var kind: Kind
    /// One sentence for a person.
    package var help: String
    /// The values, one for each set of labels.
    package var samples: [Sample]

    init(_ name: String, _ kind: Kind, help: String, samples: [Sample]) {
        (self.name, self.kind, self.help, self.samples) = (name, kind, help, samples)
    }

    /// A metric of one value.
    package init(_ name: String, _ kind: Kind, help: String, value: Double, labels: [(String, String)] = []) {
        self.init(name, kind, help: help, samples: [Sample(labels: labels, value: value)])
    }
}
