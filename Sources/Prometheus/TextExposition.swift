// The Prometheus text format, version 0.0.4: a HELP and a TYPE line for each metric, then its samples. Names are forced
// into the alphabet that the format allows, values and help texts are escaped, so no label can break a line.

/// One metric's values at one moment. Registered metrics are turned into it; collectors, which know counts that
/// somebody else keeps, make it themselves.
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

enum TextExposition {
    static func render(_ snapshots: [MetricSnapshot]) -> String {
        var text = ""
        for snapshot in snapshots.sorted(by: { $0.name < $1.name }) where !snapshot.samples.isEmpty {
            let name = Self.name(snapshot.name)
            if !snapshot.help.isEmpty { text += "# HELP \(name) \(Self.escaped(snapshot.help))\n" }
            text += "# TYPE \(name) \(snapshot.kind.rawValue)\n"
            for sample in snapshot.samples {
                text += "\(name)\(sample.suffix)\(Self.labels(sample.labels)) \(Self.number(sample.value))\n"
            }
        }
        return text
    }

    /// `{a="x",b="y"}`, or nothing.
    static func labels(_ labels: [(String, String)]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.map { "\(Self.name($0.0, allowsColons: false))=\"\(Self.escaped($0.1, quotes: true))\"" }
        return "{\(pairs.joined(separator: ","))}"
    }

    /// A name of the format's alphabet: letters, digits and `_`, for metrics `:` too; no digit first.
    static func name(_ text: String, allowsColons: Bool = true) -> String {
        var name = ""
        for scalar in text.unicodeScalars {
            let isAllowed =
                switch scalar {
                case "a"..."z", "A"..."Z", "_": true
                case "0"..."9": !name.isEmpty
                case ":": allowsColons
                default: false
                }
            name.unicodeScalars.append(isAllowed ? scalar : "_")
        }
        return name.isEmpty ? "_" : name
    }

    static func escaped(_ text: String, quotes: Bool = false) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// As Go's `ParseFloat` reads it: the shortest text that gives the value back, whole numbers without a fraction.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if let whole = Int64(exactly: value), abs(whole) < 1 << 53 { return "\(whole)" }
        return "\(value)"
    }
}
