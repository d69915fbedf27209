// One image's work, and what comes of it. A request for n images is n of these: each depends on nothing but itself.

/// What is to be done with one image.
package struct ImageTask: Sendable {
    /// Where the image's values come from.
    package enum Source: Sendable {
        /// Drawn from the model: image `index` under `seed` (sampling contract, version 1). Given pixels are not drawn;
        /// they shift no other value's draw.
        case sample(seed: UInt64, index: UInt64, parameters: SamplingParameters, given: GivenPixels? = nil)
        /// Given, (C, H, W): their log-probabilities are wanted.
        case score(values: [UInt16])
    }

    /// Rows.
    package let height: Int
    /// Columns.
    package let width: Int
    /// The image's class, where the model is conditional; else nil.
    package let label: Int?
    /// Where the values come from.
    package let source: Source

    /// A task as given. Parameters must be valid, the label one of the model's, and given values C·H·W in number and
    /// below d; given pixels are those of an image of this size.
    package init(height: Int, width: Int, label: Int? = nil, source: Source) {
        (self.height, self.width, self.label, self.source) = (height, width, label, source)
    }

    /// The pixels that are given and neither drawn nor scored.
    var given: GivenPixels? {
        if case .sample(_, _, _, let given) = source { given } else { nil }
    }
}

/// What a finished task gives.
package enum ImageResult: Sendable, Equatable {
    /// Values 0 … d − 1, (C, H, W).
    case values([UInt16])
    /// Log-probabilities in nats, (C, H, W).
    case logProbabilities([Float])
}

extension ImageResult {
    /// C·H·W.
    package var count: Int {
        switch self {
        case .values(let values): values.count
        case .logProbabilities(let logProbabilities): logProbabilities.count
        }
    }
}
