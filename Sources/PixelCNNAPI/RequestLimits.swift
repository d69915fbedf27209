// The most that one request may ask for. They bound the memory that a request can claim before it is queued: two bytes
// per value, so 128 MiB by default.

/// Upper bounds on a single request.
package struct RequestLimits: Sendable, Equatable, Codable {
    /// The most images that one request draws; a stack is scored in batches of as many.
    package var maximumImages: Int
    /// The most rows, and the most columns, of an image.
    package var maximumSide: Int
    /// The most values (images × channels × rows × columns) of one request.
    package var maximumValues: Int
    /// The most bytes of a request body.
    package var maximumBodyBytes: Int

    /// Limits for one request; the body bound leaves room for eight-byte integers of a full-sized score request.
    package init(
        maximumImages: Int = 4096, maximumSide: Int = 1024, maximumValues: Int = 1 << 26,
        maximumBodyBytes: Int = 64 << 20
    ) {
        self.maximumImages = maximumImages
        self.maximumSide = maximumSide
        self.maximumValues = maximumValues
        self.maximumBodyBytes = maximumBodyBytes
    }

    enum CodingKeys: String, CodingKey {
        case maximumImages = "max_images"
        case maximumSide = "max_side"
        case maximumValues = "max_values"
        case maximumBodyBytes = "max_body"
    }

    /// The most images of `values` values each that one request may hold, at least 1.
    package func images(ofValues values: Int) -> Int {
        max(1, min(maximumImages, maximumValues / max(1, values)))
    }

    /// Checks the shape of a batch of images.
    ///
    /// - Throws: ``RequestError/outOfRange(field:found:allowed:)`` naming `n`, `height` or `width`.
    package func check(count: Int, channels: Int, height: Int, width: Int) throws(RequestError) {
        try Self.check("n", count, in: 1...self.maximumImages)
        try Self.check("height", height, in: 1...self.maximumSide)
        try Self.check("width", width, in: 1...self.maximumSide)
        let factors = [channels, height, width]
        var values = count
        for factor in factors {
            let (product, overflow) = values.multipliedReportingOverflow(by: factor)
            guard !overflow, product <= maximumValues else {
                throw .outOfRange(
                    field: "n", found: "\(count) images of \(channels) × \(height) × \(width) values",
                    allowed: "at most \(maximumValues) values in one request")
            }
            values = product
        }
    }

    static func check(_ field: String, _ value: Int, in range: ClosedRange<Int>) throws(RequestError) {
        guard range.contains(value) else {
            throw .outOfRange(
                field: field, found: "\(value)", allowed: "\(range.lowerBound)…\(range.upperBound)")
        }
    }
}
