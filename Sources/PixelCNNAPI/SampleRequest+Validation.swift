// The ranges of a SampleRequest, some of which only the model knows. Nothing past this point needs to check them again.

extension SampleRequest {
    /// Checks every range.
    ///
    /// - Parameters:
    ///   - model: the model that will answer; it bounds `top_k`, has the classes, and gives the default height and
    ///     width.
    ///   - limits: the most that one request may ask for.
    ///   - isStreamed: whether the answer is an event stream; some fields say how to stream.
    /// - Throws: ``RequestError/outOfRange(field:found:allowed:)``.
    package func validate(
        against model: ModelDescription, limits: RequestLimits, isStreamed: Bool = false
    ) throws(RequestError) {
        try limits.check(
            count: self.n, channels: model.channels, height: height ?? model.height,
            width: width ?? model.width)
        // n ≥ 1 here, and the last index itself must be representable.
        guard !firstIndex.addingReportingOverflow(UInt64(self.n - 1)).overflow else {
            throw .outOfRange(
                field: "first_index", found: "\(firstIndex) with n \(self.n)",
                allowed: "first_index + n at most 2⁶⁴")
        }
        _ = try model.number(ofAny: label)
        if case .rows(let rows) = given?.kept {
            try RequestLimits.check(GivenImage.Field.rows, rows, in: 0...(height ?? model.height))
        }
        guard self.temperature == 0 || 0.01...100 ~= self.temperature else {
            throw .outOfRange(field: "temperature", found: "\(self.temperature)", allowed: "0, or 0.01…100")
        }
        if let topK { try RequestLimits.check("top_k", topK, in: 1...model.colors) }
        // The engine computes in Float, where a tiny p would become zero.
        if let topP, !(Float(topP) > 0 && topP <= 1) {
            throw .outOfRange(field: "top_p", found: "\(topP)", allowed: "above 0, at most 1")
        }
        if let columns, columns < 1 {
            throw .outOfRange(field: "columns", found: "\(columns)", allowed: "1 or more")
        }
        if let deadlineMilliseconds {
            try RequestLimits.check("deadline_ms", deadlineMilliseconds, in: 1...Self.maximumDeadlineMilliseconds)
        }
        try validateStreaming(model, isStreamed: isStreamed)
    }

    /// A day.
    static let maximumDeadlineMilliseconds = 86_400_000

    /// A field that would be without effect is an error: whoever sent it expects something else.
    private func validateStreaming(_ model: ModelDescription, isStreamed: Bool) throws(RequestError) {
        let onlyStreamed = "only with Accept: \(MediaTypeName.eventStream)"
        if streamsRows && !isStreamed {
            throw .outOfRange(field: "stream_rows", found: "true", allowed: onlyStreamed)
        }
        guard let imageFormat else { return }
        if !isStreamed {
            throw .outOfRange(field: "format", found: "\"\(imageFormat.rawValue)\"", allowed: onlyStreamed)
        }
        if imageFormat == .png && !model.isShownAsPNG {
            throw .outOfRange(
                field: "format", found: "\"png\"",
                allowed: "\"npy\" for a model of \(model.channels) channels of \(model.colors) values")
        }
    }
}
