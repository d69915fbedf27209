import Testing

@testable import PixelCNNScheduler

/// Time is what a test says a piece took; no clock.
@Suite struct TimeShareTests {
    /// Seconds of each size in `pieces` pieces of the given lengths, and the longest that the small ones waited.
    private func spend(
        _ share: inout TimeShare, small: Double, large: (Int) -> Double, pieces: Int
    ) -> (spent: PerSize<Double>, longestWait: Double) {
        var (spent, wait, longestWait) = (PerSize<Double>.zero, 0.0, 0.0)
        for piece in 0..<pieces {
            let size = share.next
            let seconds = size == .small ? small : large(piece)
            share.didSpend(seconds: seconds, on: size)
            spent[size] += seconds
            wait = size == .small ? 0 : wait + seconds
            longestWait = max(longestWait, wait)
        }
        return (spent, longestWait)
    }

    @Test func oneImageBesideALargeJobHasTwoThirdsOfItsWorker() {
        var share = TimeShare()
        share.claims = PerSize(small: 1, large: 0.5)
        // A pixel of one image takes 0.08, one of 64 images 0.8, a vertical piece 0.06.
        let (spent, longestWait) = spend(
            &share, small: 0.08, large: { $0 % 1000 < 960 ? 0.06 : 0.8 }, pieces: 20_000)
        #expect(abs(spent.small / spent.total - 2 / 3) < 0.01)
        #expect(longestWait < 0.81)
    }

    @Test(arguments: [0.5, 1, 3, 32])
    func timeFollowsTheClaims(_ small: Double) {
        var share = TimeShare()
        share.claims = PerSize(small: small, large: 2)
        let (spent, _) = spend(&share, small: 0.3, large: { _ in 0.7 }, pieces: 20_000)
        #expect(abs(spent.small / spent.total - small / (small + 2)) < 0.01)
    }

    @Test func aNewSmallJobBeginsAtOnceAndNothingIsOwedFromBefore() {
        var share = TimeShare()
        share.claims = PerSize(small: 0, large: 1)
        #expect(share.next == .large)
        _ = spend(&share, small: 1, large: { _ in 1 }, pieces: 1000)
        share.claims = PerSize(small: 1, large: 1)
        #expect(share.next == .small)
        share.didSpend(seconds: 1, on: .small)
        #expect(share.next == .large)
        // Large images that come back do not pay for the small ones' time alone, either.
        share.claims = PerSize(small: 1, large: 0)
        #expect(share.next == .small)
        _ = spend(&share, small: 1, large: { _ in 1 }, pieces: 1000)
        share.claims = PerSize(small: 1, large: 1)
        let (spent, _) = spend(&share, small: 1, large: { _ in 1 }, pieces: 10)
        #expect(spent.small == 5 && spent.large == 5)
    }
}
