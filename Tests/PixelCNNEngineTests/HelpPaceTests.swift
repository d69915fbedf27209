// When a session does without its second thread, as a function of what rows took.

import Testing

@testable import PixelCNNEngine

@Suite struct HelpPaceTests {
    /// Rows of a session, of which a helped one takes `helped` microseconds per pixel, `waited` of them waiting, and
    /// others take `alone`: which of them were helped.
    private func rows(
        _ count: Int, _ pace: inout HelpPace, helped: Int, waited: Int, alone: Int = 100
    ) -> [Bool] {
        (0..<count).map { _ in
            let isHelped = pace.wantsHelp
            pace.completeRow(
                isHelped: isHelped, in: .microseconds(isHelped ? helped : alone),
                waited: .microseconds(isHelped ? waited : 0))
            return isHelped
        }
    }

    @Test func helpWithoutLongWaitsIsKept() {
        var pace = HelpPace()
        #expect(rows(1000, &pace, helped: 60, waited: 15).allSatisfy { $0 })
    }

    @Test func helpWithLongWaitsThatIsFasterAllTheSameIsTriedLessAndLess() {
        var pace = HelpPace()
        let helped = rows(2000, &pace, helped: 60, waited: 30)
        let trials = helped.indices.filter { !helped[$0] }
        #expect(trials.prefix(4) == [1, 2, 12, 13])
        #expect(trials.count < 24)
    }

    @Test func helpThatIsSlowerIsDoneWithoutAndAskedForAgainLessAndLess() {
        var pace = HelpPace()
        let helped = rows(4000, &pace, helped: 250, waited: 200)
        let asked = helped.indices.filter { helped[$0] }
        #expect(asked.prefix(4) == [0, 11, 30, 65])
        #expect(asked.count < 20)
        // The other process has gone.
        _ = rows(600, &pace, helped: 60, waited: 5)
        #expect(rows(1000, &pace, helped: 60, waited: 5).allSatisfy { $0 })
        // It comes again: no longer than at first.
        #expect(rows(12, &pace, helped: 250, waited: 200).filter { $0 }.count <= 3)
    }

    /// A second thread that comes or goes within a row has not done the row.
    @Test func rowsThatWereNotHelpedThroughoutDecideNothing() {
        var pace = HelpPace()
        for _ in 0..<100 {
            pace.completeRow(isHelped: false, in: .microseconds(500), waited: .microseconds(400))
            #expect(pace.wantsHelp)
        }
    }
}
