// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011). Counter-based: the
// draw of a value is a function of its place alone, which is what makes a sample independent of everything around it.

/// The uniform numbers of one image under one seed: sampling contract, version 1.
struct Philox: Sendable {
    let seed: UInt64
    let index: UInt64

    /// u in [0, 1), a multiple of 2⁻²⁴, of the value at `position` = (row · W + column) · C + channel.
    func uniform(at position: UInt64) -> Float {
        let word = Self.block(
            counter: [
                UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32),
                UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
            ],
            key: [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)])
        return Float(word[0] >> 8) * 0x1p-24
    }

    /// The ten rounds: four words of output for a counter and a key.
    static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (counter, key) = (counter, key)
        for _ in 0..<10 {
            let first = UInt64(counter[0]) * 0xD251_1F53
            let second = UInt64(counter[2]) * 0xCD9E_8D57
            counter = [
                UInt32(second >> 32) ^ counter[1] ^ key[0], UInt32(truncatingIfNeeded: second),
                UInt32(first >> 32) ^ counter[3] ^ key[1], UInt32(truncatingIfNeeded: first),
            ]
            key &+= [0x9E37_79B9, 0xBB67_AE85]
        }
        return counter
    }
}
