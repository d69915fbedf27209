// Random numbers for random models: small and the same on every machine of a kind, not for sampling images.

import Glibc

/// Standard normal numbers: SplitMix64, then Box and Muller's transform, one number a pair for simplicity.
struct NormalGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> Float {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return Float(radius * cos(2 * .pi * uniform()))
    }

    /// Uniform in [0, 1), 53 bits.
    private mutating func uniform() -> Double {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return Double((bits ^ bits >> 31) >> 11) * 0x1p-53
    }
}
