// How the weights are kept that every pixel streams. One image is bound by reading them, so half the bytes are a gain;
// the arithmetic stays that of floats, so that every instruction set gives the same bits.

/// The precision of a loaded model's weights.
package enum Precision: String, Sendable, CaseIterable {
    /// As in the file: float32.
    case f32
    /// Weights of `in_conv`, `h_conv`, `htoh` and `out_conv` rounded to bf16, ties to even, when the model is packed.
    /// What the vertical stack multiplies, biases and norms are kept: reading those is no bottleneck.
    case bf16

    /// The bits of the bf16 that is nearest to `value`, ties to even.
    static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
    }
}
