// One image's work, and what comes of it: what is drawn or scored, how values are drawn, which pixels are given. A
// request for n images is n tasks, each of which depends on nothing but itself; they share the given pixels' arrays.

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
    /// Whether the log-probabilities of drawn values are wanted, too.
    package let measuresDraws: Bool

    /// A task as given. Parameters must be valid, the label one of the model's, and given values C·H·W in number and
    /// below d; given pixels are those of an image of this size.
    package init(height: Int, width: Int, label: Int? = nil, source: Source, measuresDraws: Bool = false) {
        self.height = height
        self.width = width
        self.label = label
        self.source = source
        self.measuresDraws = measuresDraws
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
    /// The same, with what each was drawn with.
    case measuredValues([UInt16], DrawLogProbabilities)
    /// Log-probabilities in nats, (C, H, W).
    case logProbabilities([Float])
}

extension ImageResult {
    /// C·H·W.
    package var count: Int {
        switch self {
        case .values(let values), .measuredValues(let values, _): values.count
        case .logProbabilities(let logProbabilities): logProbabilities.count
        }
    }
}

/// Log-probabilities of drawn values, in nats, in the values' order; 0 where a pixel was given and not drawn.
package struct DrawLogProbabilities: Sendable, Equatable {
    /// Under the model: what scoring the image gives, bit for bit.
    package var model: [Float]
    /// Under the distribution that was drawn from; empty where that is the model's own.
    package var proposal: [Float]

    package init(model: [Float], proposal: [Float] = []) {
        self.model = model
        self.proposal = proposal
    }

    /// Appends another image's.
    package static func += (all: inout DrawLogProbabilities, image: DrawLogProbabilities) {
        all.model += image.model
        all.proposal += image.proposal
    }
}

// MARK: - How values are drawn

/// How a value is drawn from its distribution: temperature, then top-k, then top-p; the defaults draw from the model's
/// own distribution.
package struct SamplingParameters: Sendable, Equatable {
    /// Divides the logits: 0 (the most probable value, always) or 0.01 … 100.
    package var temperature: Float
    /// Keeps the k most probable values, 1 … d.
    package var topK: Int?
    /// Keeps the fewest most probable values that together have at least this share, 0 < p ≤ 1.
    package var topP: Float?

    /// Parameters as given; nothing is checked here.
    package init(temperature: Float = 1, topK: Int? = nil, topP: Float? = nil) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
    }

    /// Whether values are drawn from another distribution than the model's, over `colors` values.
    package func changeDistribution(of colors: Int) -> Bool {
        temperature != 1 || topK.map { $0 < colors } ?? false || topP.map { $0 < 1 } ?? false
    }
}

// MARK: - Given pixels

/// Which pixels of an image are given, and their values.
package struct GivenPixels: Sendable, Equatable {
    /// Which pixels are kept.
    package enum Kept: Sendable, Equatable {
        /// The first rows, 0 … H.
        case rows(Int)
        /// (H, W): those that are true.
        case mask([Bool])
    }

    /// Rows of the image, H.
    package let height: Int
    /// Columns of the image, W.
    package let width: Int
    /// Values 0 … d − 1 of the image, (C, H, W); those that are not kept change nothing.
    package let values: [UInt16]
    /// Which pixels are kept.
    package let kept: Kept

    /// Rows from the top that are kept as a whole.
    let firstRows: Int
    /// The row from which on all are kept as a whole: nothing of them needs to be computed.
    let drawnRows: Int

    /// Given pixels of an image of `height` × `width` pixels; `values` are C·H·W, a mask is H·W.
    package init(height: Int, width: Int, values: [UInt16], kept: Kept) {
        precondition(height > 0 && width > 0 && !values.isEmpty && values.count.isMultiple(of: height * width))
        self.height = height
        self.width = width
        self.values = values
        self.kept = kept
        switch kept {
        case .rows(let rows):
            precondition((0...height).contains(rows))
            (firstRows, drawnRows) = (rows, rows == height ? 0 : height)
        case .mask(let mask):
            precondition(mask.count == height * width)
            func isWhole(_ row: Int) -> Bool { mask[row * width..<(row + 1) * width].allSatisfy { $0 } }
            let isRowWhole = (0..<height).map(isWhole)
            firstRows = isRowWhole.firstIndex(of: false) ?? height
            drawnRows = isRowWhole.lastIndex(of: false).map { $0 + 1 } ?? 0
        }
    }

    /// How many pixels are kept.
    package var keptPixels: Int {
        switch kept {
        case .rows(let rows): rows * width
        case .mask(let mask): mask.count { $0 }
        }
    }

    /// (H, W), or empty where no pixel but those of the first rows is kept.
    var mask: [Bool] {
        if case .mask(let mask) = kept { mask } else { [] }
    }
}
