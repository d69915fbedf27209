import Support
import Testing

struct SplitMix64Tests {
    /// The reference program's first numbers for the seed 1234567 (prng.di.unimi.it/splitmix64.c).
    @Test func numbersAreThoseOfTheReferenceProgram() {
        var generator = SplitMix64(seed: 1_234_567)
        let numbers = (0..<5).map { _ in generator.next() }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    @Test(arguments: [1, 2, 3, 256, 65536])
    func everyNumberBelowABoundIsDrawnEquallyOften(_ count: Int) {
        var generator = SplitMix64(seed: 1)
        var drawn = Array(repeating: 0, count: count)
        for _ in 0..<64 * count { drawn[generator.next(below: count)] += 1 }
        // 64 are expected of each; 8 is a standard deviation.
        #expect(drawn.allSatisfy { (64 - 48...64 + 48).contains($0) })
    }
}
