// The generator behind random models and images. The same seed gives the same numbers on every machine.

/// SplitMix64 (Steele, Lea and Flood 2014).
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return bits ^ bits >> 31
    }

    /// One of 0 … count − 1, each with the same probability to within 2⁻³²; `count` is at most 2³².
    package mutating func next(below count: Int) -> Int {
        Int(((next() >> 32) * UInt64(count)) >> 32)
    }
}
