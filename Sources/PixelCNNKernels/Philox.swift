// Random numbers that belong to places: a function of key and counter, without state. The engine draws values from
// them, training decides by them what it drops, moves and binarises. They are the same on every machine.

/// The random numbers of one image under one seed, or of what else has a number under a key: Philox4x32-10 (Salmon,
/// Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011). Counter-based: the draw of a value is a
/// function of its place alone, which is what makes a sample independent of everything around it.
package struct Philox: Sendable {
    package let seed: UInt64
    package let index: UInt64

    package init(seed: UInt64, index: UInt64) {
        self.seed = seed
        self.index = index
    }

    /// u in [0, 1), a multiple of 2⁻²⁴, of the value at `position` = (row · W + column) · C + channel.
    package func uniform(at position: UInt64) -> Float { Float(words(at: position)[0] >> 8) * 0x1p-24 }

    /// The four words of a position.
    package func words(at position: UInt64) -> SIMD4<UInt32> {
        let four = words(atFour: position)
        return [four.0[0], four.1[0], four.2[0], four.3[0]]
    }

    /// The words of `position` and the three after it: word j of the i-th of them is element j's lane i. As fast as
    /// those of one.
    package func words(
        atFour position: UInt64
    ) -> (SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>) {
        let positions = SIMD4<UInt64>(repeating: position) &+ [0, 1, 2, 3]
        return Self.blocks(
            (
                SIMD4(truncatingIfNeeded: positions), SIMD4(truncatingIfNeeded: positions &>> 32),
                SIMD4(repeating: UInt32(truncatingIfNeeded: index)),
                SIMD4(repeating: UInt32(truncatingIfNeeded: index >> 32))
            ), key: [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)])
    }

    /// The ten rounds, for four counters at once: a product of 32 bits has its own lane of 64, which every instruction
    /// set multiplies four at a time.
    static func blocks(
        _ counters: (SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>), key: SIMD2<UInt32>
    ) -> (SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>) {
        let low = SIMD4<UInt64>(repeating: 0xFFFF_FFFF)
        func wide(_ word: SIMD4<UInt32>) -> SIMD4<UInt64> { SIMD4(truncatingIfNeeded: word) }
        var (c0, c1, c2, c3) = (wide(counters.0), wide(counters.1), wide(counters.2), wide(counters.3))
        var key = key
        for _ in 0..<10 {
            let first = (c0 & low) &* SIMD4(repeating: 0xD251_1F53)
            let second = (c2 & low) &* SIMD4(repeating: 0xCD9E_8D57)
            c0 = (second &>> 32) ^ c1 ^ SIMD4(repeating: UInt64(key[0]))
            c1 = second & low
            c2 = (first &>> 32) ^ c3 ^ SIMD4(repeating: UInt64(key[1]))
            c3 = first & low
            key &+= [0x9E37_79B9, 0xBB67_AE85]
        }
        return (
            SIMD4(truncatingIfNeeded: c0), SIMD4(truncatingIfNeeded: c1), SIMD4(truncatingIfNeeded: c2),
            SIMD4(truncatingIfNeeded: c3)
        )
    }

    /// Four words of output for one counter and a key.
    package static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        let words = blocks(
            (
                SIMD4(repeating: counter[0]), SIMD4(repeating: counter[1]), SIMD4(repeating: counter[2]),
                SIMD4(repeating: counter[3])
            ), key: key)
        return [words.0[0], words.1[0], words.2[0], words.3[0]]
    }
}
