// What `POST /v1/samples` takes. The client writes it, the daemon reads it; both use this one type. Each field is a
// stored property and an entry of ``SampleRequest/fields``, from which reading, writing, checking and the record of a
// request follow. Reading (types and names) and validation (ranges, against a model) are separate, as 400 and 422 are.

import StrictJSON

/// A request for samples; every field has a default.
package struct SampleRequest: RequestObject, Equatable {
    /// What an event stream's images come as.
    package enum ImageFormat: String, Sendable, CaseIterable {
        /// A PNG of one image.
        case png
        /// An array, (C, H, W).
        case npy
        /// An archive of that array and those of its log-probabilities.
        case npz
    }

    /// Number of images.
    package var n = 1
    /// The seed; drawn by the daemon where nil, and then below 2⁵³.
    package var seed: UInt64?
    /// The index of the first image under the seed; image i of the response has index `firstIndex + i`.
    package var firstIndex: UInt64 = 0
    /// Rows of an image; the model's where nil.
    package var height: Int?
    /// Columns of an image; the model's where nil.
    package var width: Int?
    /// The class, where the model is conditional.
    package var label: ClassLabel?
    /// What all images start with; height and width are its own where nil.
    package var given: GivenImage?
    /// 0 is the most probable value.
    package var temperature = 1.0
    /// Draw from the k most probable values only.
    package var topK: Int?
    /// Draw from the most probable values whose probabilities sum to p only.
    package var topP: Double?
    /// Whether the log-probabilities of drawn values are wanted, too.
    package var wantsLogProbabilities = false
    /// Images per row of the PNG grid; ⌈√n⌉ where nil.
    package var columns: Int?
    /// The request is given up where it has not ended after this many milliseconds.
    package var deadlineMilliseconds: Int?
    /// Whether an event stream reports rows as they end, too.
    package var streamsRows = false
    /// What an event stream's images come as; PNG where nil, NPY where no PNG can show them.
    package var imageFormat: ImageFormat?

    /// The fields, in the order in which they are written and documented. What is recorded is enough to draw the same
    /// images again.
    package static let fields: [RequestField<SampleRequest>] = [
        .init(
            "n", \.n, .integer, allowed: .from(1, toLimit: \.maximumImages), isAlwaysWritten: true,
            recordedAs: "images"),
        .init("seed", \.seed, .unsigned64, absence: -1, recordedAs: "seed"),
        .init("first_index", \.firstIndex, .unsigned64, recordedAs: "first_index", check: checkLastIndex),
        .init("height", \.height, .integer, allowed: .from(1, toLimit: \.maximumSide), recordedAs: "height"),
        .init("width", \.width, .integer, allowed: .from(1, toLimit: \.maximumSide), recordedAs: "width"),
        .init("label", \.label, .label, recordedAs: "label", check: checkLabel),
        .init("given", \.given, .given, check: checkGivenRows),
        .init("temperature", \.temperature, .number, allowed: .temperature, recordedAs: "temperature"),
        .init("top_k", \.topK, .integer, allowed: .from(1, toModels: \.colors), recordedAs: "top_k"),
        .init("top_p", \.topP, .number, allowed: .probability, recordedAs: "top_p"),
        .init("log_prob", \.wantsLogProbabilities, .boolean),
        .init("columns", \.columns, .integer, allowed: .atLeast(1), recordedAs: "columns"),
        .init("deadline_ms", \.deadlineMilliseconds, .integer, allowed: .from(1, to: 86_400_000)),  // a day
        .init("stream_rows", \.streamsRows, .boolean, check: checkStreamsRows),
        .init("format", \.imageFormat, .choice, check: checkFormat),
    ]

    package init() {}

    /// Seeds drawn for a caller stay below this, so that every JSON reader keeps them exactly.
    package static let drawnSeedLimit: UInt64 = 1 << 53

    /// A seed for a caller who named none.
    package static func drawSeed() -> UInt64 {
        UInt64.random(in: 0..<Self.drawnSeedLimit)
    }
}

// MARK: - JSON

extension SampleRequest {
    /// Far more than any request has.
    private static let limits = JSONReader.Limits(depth: 16, values: 1000)

    /// Reads a request body; an empty one is a request with every default.
    ///
    /// - Throws: ``RequestError``, naming the field at fault. What depends on a model is left to
    ///   ``validate(against:limits:isStreamed:)``.
    package init(json body: [UInt8]) throws(RequestError) {
        self.init()
        if body.isEmpty { return }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body, limits: Self.limits)
        } catch {
            throw .malformedBody("\(error)")
        }
        guard case .object(let members) = value else {
            throw .malformedBody("the body must be a JSON object; found \(value.summary)")
        }
        self = try RequestField.read(members, Self.fields)
    }

    /// The request as JSON; fields that hold their default are left out.
    package var json: [UInt8] { Array(RequestField.json(self, Self.fields).utf8) }

    /// What a log says of the request. Where seed, height, width and class are the ones that were drawn with, that is
    /// enough to draw the same images again.
    package var record: [(key: String, value: String)] { Self.fields.compactMap { $0.record(of: self) } }
}

// MARK: - Validation

extension SampleRequest {
    /// Checks every field. Nothing past this point needs to check them again.
    ///
    /// - Parameters:
    ///   - model: the model that will respond; it bounds `top_k`, has the classes, and gives the default height and
    ///     width.
    ///   - limits: the most that one request may ask for.
    ///   - isStreamed: whether the response is an event stream; some fields say how to stream.
    /// - Throws: ``RequestError/outOfRange(field:found:allowed:)``.
    package func validate(
        against model: ModelDescription, limits: RequestLimits, isStreamed: Bool = false
    ) throws(RequestError) {
        // First of all, and with the model's size where the request names none: the product is bounded, too.
        try limits.check(
            count: n, channels: model.channels, height: height ?? model.height, width: width ?? model.width)
        let context = RequestContext(model: model, limits: limits, isStreamed: isStreamed)
        for field in Self.fields { try field.check(self, in: context) }
    }

    /// The last index itself must be representable.
    @Sendable private static func checkLastIndex(
        _ request: SampleRequest, _ context: RequestContext, name: String
    ) throws(RequestError) {
        // n ≥ 1 here.
        guard request.firstIndex.addingReportingOverflow(UInt64(request.n - 1)).overflow else { return }
        throw .outOfRange(
            field: name, found: "\(request.firstIndex) with n \(request.n)",
            allowed: "first_index + n at most 2⁶⁴")
    }

    @Sendable private static func checkLabel(
        _ request: SampleRequest, _ context: RequestContext, name: String
    ) throws(RequestError) {
        _ = try context.model.number(ofAny: request.label)
    }

    @Sendable private static func checkGivenRows(
        _ request: SampleRequest, _ context: RequestContext, name: String
    ) throws(RequestError) {
        guard case .rows(let rows) = request.given?.kept else { return }
        try RequestLimits.check(GivenImage.Field.rows, rows, in: 0...(request.height ?? context.model.height))
    }

    /// A field that would be without effect is an error: whoever sent it expects something else.
    @Sendable private static func checkStreamsRows(
        _ request: SampleRequest, _ context: RequestContext, name: String
    ) throws(RequestError) {
        guard request.streamsRows, !context.isStreamed else { return }
        throw .outOfRange(field: name, found: "true", allowed: onlyStreamed)
    }

    @Sendable private static func checkFormat(
        _ request: SampleRequest, _ context: RequestContext, name: String
    ) throws(RequestError) {
        guard let format = request.imageFormat else { return }
        if !context.isStreamed {
            throw .outOfRange(field: name, found: "\"\(format.rawValue)\"", allowed: onlyStreamed)
        }
        if format == .npz && !request.wantsLogProbabilities {
            throw .outOfRange(field: name, found: "\"npz\"", allowed: "only with \"log_prob\": true")
        }
        let model = context.model
        if format == .png && !model.isShownAsPNG {
            throw .outOfRange(
                field: name, found: "\"png\"",
                allowed: "\"npy\" for a model of \(model.channels) channels of \(model.colors) values")
        }
    }

    private static let onlyStreamed = "only with Accept: \(MediaTypeName.eventStream)"
}

extension AllowedValues<Double> {
    fileprivate static var temperature: Self {
        Self(bounds: (0, 100), words: { _ in "0, or 0.01…100" }) { value, _ in value == 0 || 0.01...100 ~= value }
    }

    /// The engine computes in Float, where a tiny p would become zero.
    fileprivate static var probability: Self {
        Self(bounds: (0, 1), words: { _ in "above 0, at most 1" }) { value, _ in Float(value) > 0 && value <= 1 }
    }
}

// MARK: - Given images

/// An image of which pixels are kept, and the others drawn: files, which only whoever knows the model can judge.
package struct GivenImage: Sendable, Equatable {
    /// Which pixels are kept.
    package enum Kept: Sendable, Equatable {
        /// The first rows, 0 … H.
        case rows(Int)
        /// A PNG or NPY file, (H, W): those that are not 0.
        case mask([UInt8])
    }

    /// A PNG or NPY file, (C, H, W).
    package var image: [UInt8]
    package var kept: Kept

    package init(image: [UInt8], kept: Kept) {
        self.image = image
        self.kept = kept
    }

    /// Names of fields, for errors.
    package enum Field {
        package static let image = "given.image"
        package static let rows = "given.rows"
        package static let mask = "given.mask"
    }

    /// The members of the object, any of which may be missing.
    package struct Members: RequestObject {
        var image: [UInt8]?
        var rows: Int?
        var mask: [UInt8]?

        package init() {}

        package static let fields: [RequestField<Members>] = [
            .init("image", \.image, .base64),
            .init("rows", \.rows, .integer, allowed: .from(0, toLimit: \.maximumSide)),
            .init("mask", \.mask, .base64),
        ]
    }
}

extension FieldForm<GivenImage> {
    fileprivate static var given: Self {
        Self(
            read: { json, field throws(RequestError) in
                guard case .object(let members) = json else {
                    throw .wrongType(field: field, expected: "an object", found: json.summary)
                }
                let given = try RequestField.read(members, GivenImage.Members.fields, in: field)
                guard let image = given.image else {
                    throw .wrongType(
                        field: GivenImage.Field.image, expected: FieldForm<[UInt8]>.fileWords, found: "nothing")
                }
                switch (given.rows, given.mask) {
                case (let rows?, nil): return GivenImage(image: image, kept: .rows(rows))
                case (nil, let mask?): return GivenImage(image: image, kept: .mask(mask))
                default:
                    throw .wrongType(
                        field: field, expected: "an object with image and one of rows and mask",
                        found: given.rows == nil ? "neither" : "both")
                }
            },
            json: { given in
                var members = GivenImage.Members()
                members.image = given.image
                switch given.kept {
                case .rows(let rows): members.rows = rows
                case .mask(let mask): members.mask = mask
                }
                return RequestField.json(members, GivenImage.Members.fields)
            })
    }
}
