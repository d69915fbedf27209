// How a value is drawn from its distribution. Ranges are those of the sampling contract; who takes parameters from
// outside checks them with `isValid(colors:)` first.

/// Temperature, then top-k, then top-p; the defaults draw from the model's own distribution.
package struct SamplingParameters: Sendable, Equatable {
    /// Divides the logits: 0 (the most probable value, always) or 0.01 … 100.
    package var temperature: Float
    /// Keeps the k most probable values, 1 … d.
    package var topK: Int?
    /// Keeps the fewest most probable values that together have at least this share, 0 < p ≤ 1.
    package var topP: Float?

    /// Parameters as given; nothing is checked here.
    package init(temperature: Float = 1, topK: Int? = nil, topP: Float? = nil) {
        (self.temperature, self.topK, self.topP) = (temperature, topK, topP)
    }

    /// Whether every parameter is in its range, for a model of `colors` values a channel.
    package func isValid(colors: Int) -> Bool {
        (temperature == 0 || (0.01...100).contains(temperature))
            && (topK.map { (1...colors).contains($0) } ?? true) && (topP.map { $0 > 0 && $0 <= 1 } ?? true)
    }
}
