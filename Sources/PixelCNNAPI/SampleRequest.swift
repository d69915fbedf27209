// What `POST /v1/samples` takes. The client writes it, the daemon reads it; both use this one type. Reading (types and
// names) and validation (ranges, against a model) are separate, as 400 and 422 are.

/// A request for samples; every field has a default.
package struct SampleRequest: Sendable, Equatable {
    /// What an event stream's images come as.
    package enum ImageFormat: String, Sendable, CaseIterable {
        /// A PNG of one image.
        case png
        /// An array, (C, H, W).
        case npy
    }

    /// How many images.
    package var n: Int
    /// The seed; drawn by the daemon where nil, and then below 2⁵³.
    package var seed: UInt64?
    /// The index of the first image under the seed; image i of the answer has index `firstIndex + i`.
    package var firstIndex: UInt64
    /// Rows of an image; the model's where nil.
    package var height: Int?
    /// Columns of an image; the model's where nil.
    package var width: Int?
    /// The class, where the model is conditional.
    package var label: ClassLabel?
    /// What all images start with; height and width are its own where nil.
    package var given: GivenImage?
    /// The temperature: 0 (the most probable value) or 0.01…100.
    package var temperature: Double
    /// Draw from the k most probable values only.
    package var topK: Int?
    /// Draw from the most probable values whose probabilities sum to p only.
    package var topP: Double?
    /// Images in a row of the PNG grid; ⌈√n⌉ where nil.
    package var columns: Int?
    /// The request is given up where it has not ended after as many milliseconds.
    package var deadlineMilliseconds: Int?
    /// Whether an event stream tells rows as they end, too.
    package var streamsRows: Bool
    /// What an event stream's images come as; PNG where nil, NPY where no PNG can show them.
    package var imageFormat: ImageFormat?

    /// A request with the protocol's defaults.
    package init(
        n: Int = 1, seed: UInt64? = nil, firstIndex: UInt64 = 0, height: Int? = nil, width: Int? = nil,
        label: ClassLabel? = nil, given: GivenImage? = nil, temperature: Double = 1, topK: Int? = nil,
        topP: Double? = nil, columns: Int? = nil, deadlineMilliseconds: Int? = nil, streamsRows: Bool = false,
        imageFormat: ImageFormat? = nil
    ) {
        self.n = n
        self.seed = seed
        self.firstIndex = firstIndex
        self.height = height
        self.width = width
        self.label = label
        self.given = given
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.columns = columns
        self.deadlineMilliseconds = deadlineMilliseconds
        self.streamsRows = streamsRows
        self.imageFormat = imageFormat
    }

    /// Seeds drawn for a caller stay below this, so that every JSON reader keeps them exactly.
    package static let drawnSeedLimit: UInt64 = 1 << 53

    /// A seed for a caller who named none.
    package static func drawSeed() -> UInt64 {
        UInt64.random(in: 0..<Self.drawnSeedLimit)
    }
}
