// Values become levels and come back, for every number of colours.

import Testing

@testable import ImageFormats

@Suite struct LevelsTests {
    @Test func returnsEveryValueOfEveryNumberOfColors() {
        for colors in Levels.range {
            let levels = Levels(colors: colors)
            for value in 0..<UInt16(colors) { #expect(levels.value(of: levels.level(of: value)) == value) }
        }
    }

    @Test func spansBlackToWhite() {
        for colors in Levels.range {
            let levels = Levels(colors: colors)
            #expect(levels.level(of: 0) == 0)
            #expect(levels.level(of: UInt16(colors - 1)) == 255)
            #expect(levels.value(of: 255) == UInt16(colors - 1))
        }
    }

    @Test func roundsHalfUp() {
        #expect((0..<3).map { Levels(colors: 3).level(of: $0) } == [0, 128, 255])  // 127.5
        #expect((0..<4).map { Levels(colors: 4).level(of: $0) } == [0, 85, 170, 255])
        #expect((0..<5).map { Levels(colors: 5).level(of: $0) } == [0, 64, 128, 191, 255])  // 63.75, 127.5, 191.25
    }

    @Test func showsByteValuesAsTheyAre() {
        let levels = Levels(colors: 256)
        for level in UInt8.min...UInt8.max {
            #expect(levels.level(of: UInt16(level)) == level)
            #expect(levels.value(of: level) == UInt16(level))
        }
    }

    @Test func readsTheNearestValue() {
        for colors in Levels.range {
            let levels = Levels(colors: colors)
            for level in UInt8.min...UInt8.max {
                let exact = Double(level) * Double(colors - 1) / 255
                #expect(abs(exact - Double(levels.value(of: level))) < 0.5)
            }
        }
    }
}
