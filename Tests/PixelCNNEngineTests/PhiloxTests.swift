import PixelCNNKernels
import Testing

@testable import PixelCNNEngine

@Suite struct PhiloxTests {
    /// The known results of Random123 (kat_vectors, philox4x32 10).
    @Test func givesRandom123sKnownAnswers() {
        #expect(
            Philox.block(counter: [0, 0, 0, 0], key: [0, 0])
                == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
        let ones = UInt32.max
        #expect(
            Philox.block(counter: [ones, ones, ones, ones], key: [ones, ones])
                == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
        #expect(
            Philox.block(
                counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], key: [0xa409_3822, 0x299f_31d0])
                == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    }

    @Test func usesAllBitsOfSeedIndexAndPosition() {
        let (seed, index, position) = (
            0x0123_4567_89ab_cdef as UInt64, 0xfedc_ba98_7654_3210 as UInt64, 0x1_0000_0002 as UInt64
        )
        let word = Philox.block(
            counter: [0x0000_0002, 0x0000_0001, 0x7654_3210, 0xfedc_ba98], key: [0x89ab_cdef, 0x0123_4567])[0]
        let u = Philox(seed: seed, index: index).uniform(at: position)
        #expect(u == Float(word >> 8) / 16_777_216)
    }

    @Test func staysBelowOne() {
        for position in 0..<10_000 as Range<UInt64> {
            let u = Philox(seed: 1, index: 2).uniform(at: position)
            #expect(u >= 0 && u <= 1 - 0x1p-24)
        }
    }
}
