import Support
import Testing

struct DurationsTests {
    @Test(arguments: [(0, "0:00"), (2.1, "0:03"), (754, "12:34"), (3723, "1:02:03"), (.infinity, "?")])
    func aClockCountsABegunSecond(seconds: Double, text: String) {
        #expect(Durations.clock(seconds) == text)
    }

    @Test(arguments: [(0, "0 min 0 s"), (200.9, "3 min 20 s"), (7530, "2 h 5 min")])
    func wordsNameTheTwoLargestUnits(seconds: Double, text: String) {
        #expect(Durations.words(seconds) == text)
    }

    @Test(arguments: [(0, "00:00:00"), (11045.9, "03:04:05"), (183_845, "2 d 03:04:05"), (-1, "00:00:00")])
    func anUptimeNamesDaysWhereThereAreSome(seconds: Double, text: String) {
        #expect(Durations.uptime(seconds) == text)
    }
}
