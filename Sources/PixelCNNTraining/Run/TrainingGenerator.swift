// Random numbers of a training run. Each purpose and epoch has a stream of its own, made from the seed, so nothing of a
// generator need be kept to go on with a run.

/// SplitMix64 (Steele, Lea and Flood 2014).
struct TrainingGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// What a stream is for.
    enum Purpose: UInt64 { case weights, order, flips }

    init(seed: UInt64, _ purpose: Purpose, epoch: Int = 0) {
        state = seed
        for word in [purpose.rawValue, UInt64(epoch)] { state = next() ^ word }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return bits ^ bits >> 31
    }

    /// Uniform in [−1, 1).
    mutating func symmetric() -> Float { Float(Int64(bitPattern: next()) >> 40) * 0x1p-23 }
}
