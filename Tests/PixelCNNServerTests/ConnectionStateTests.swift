// What a connection decides, as a value: no channel, no clock.

import Testing

@testable import PixelCNNServer

/// A connection with a clock of its own.
private final class Play {
    static let timeout = Duration.seconds(60)

    private(set) var now = ContinuousClock.now
    private(set) var state: ConnectionState

    init() { state = ConnectionState(timeout: Self.timeout, at: now) }

    func wait(_ seconds: Double) { now += .seconds(seconds) }

    @discardableResult func head(
        images: Bool = false, closes: Bool = false, expects: Bool = false, length: Int = 0, limit: Int = 1000,
        canWrite: Bool = true, full: Int? = nil
    ) -> ConnectionState.HeadAction {
        state.readHead(
            .init(
                isForImages: images, closesConnection: closes, expectsContinue: expects, contentLength: length,
                bodyLimit: limit), canWrite: canWrite, at: now, secondsUntilRoom: { full })
    }

    @discardableResult func body(_ bytes: Int) -> ConnectionState.BodyAction {
        state.readBody(bytes: bytes, at: now)
    }

    @discardableResult func end() -> ConnectionState.EndAction { state.readEnd(at: now) }

    /// A whole request without a body.
    func request() {
        head()
        end()
    }

    /// A whole response, which the client takes at once.
    @discardableResult func respond(closes: Bool = false) -> ConnectionState.ResponseEndAction {
        _ = state.writeHead(isBare400: false, closesConnection: closes)
        return state.writeEnd(at: now)
    }

    func writeHead(isBare400: Bool = false, closes: Bool = false) -> ConnectionState.ResponseAction {
        state.writeHead(isBare400: isBare400, closesConnection: closes)
    }

    func writeEnd() -> ConnectionState.ResponseEndAction { state.writeEnd(at: now) }

    /// The client has a piece of a response to take.
    func send() { state.willSend(at: now) }

    /// The client has taken it.
    func take(_ bytes: Int) { state.didSend(bytes: bytes, at: now) }

    func malformed(_ malformation: ConnectionState.Malformation) { state.readMalformed(malformation) }

    func drain() -> Bool { state.drain() }

    /// When the timer would fire, were it set now, in seconds from now; nil for never.
    func timer() -> Double? {
        _ = state.timerFired(at: now)
        return movedTimer()
    }

    /// When the timer, which is set, is to fire instead.
    func movedTimer() -> Double? { state.timerToSet().map { ($0 - now) / .seconds(1) } }

    func hangsUp(after seconds: Double = 0) -> Bool {
        wait(seconds)
        return state.timerFired(at: now)
    }
}

@Suite struct ConnectionStateTests {
    // MARK: - Load shedding

    @Test func aRequestForImagesIsRefusedWhileTheQueueIsFull() {
        let play = Play()
        #expect(play.head(images: true, full: 3) == .refuse(retryAfterSeconds: 3))
        #expect(play.body(10) == .discard)
        #expect(play.end() == .discard)
    }

    @Test(
        arguments: [
            ("there is room", true, false, 0, true, nil), ("it is for no images", false, false, 0, true, 3),
            ("the client wants the connection closed", true, true, 0, true, 3),
            ("its body is too large", true, false, 1001, true, 3),
            ("the client takes nothing", true, false, 0, false, 3),
        ] as [(String, Bool, Bool, Int, Bool, Int?)])
    func aRequestIsForwardedWhere(
        _ reason: String, images: Bool, closes: Bool, length: Int, canWrite: Bool, full: Int?
    ) {
        let play = Play()
        #expect(play.head(images: images, closes: closes, length: length, canWrite: canWrite, full: full) == .forward)
    }

    @Test func nothingIsRefusedAheadOfAResponseThatIsOwed() {
        let play = Play()
        play.request()
        #expect(play.head(images: true, full: 3) == .forward)
    }

    @Test func theQueueIsLookedAtOnlyForImages() {
        var state = ConnectionState(timeout: .seconds(60), at: .now)
        var isLookedAt = false
        _ = state.readHead(.init(), canWrite: true, at: .now) {
            isLookedAt = true
            return nil
        }
        #expect(!isLookedAt)
    }

    @Test func whatFollowsARefusalIsARequestLikeAnyOther() {
        let play = Play()
        play.head(images: true, full: 1)
        play.end()
        #expect(play.head(images: true) == .forward)
        #expect(play.end() == .admitAndForward)
    }

    @Test func onlyARequestForImagesThatNothingKeepsIsOnItsWayToTheQueue() {
        let play = Play()
        play.head()
        #expect(play.end() == .forward)
        play.head(images: true)
        #expect(play.end() == .forward)  // its predecessor has no response yet
        play.respond()
        play.respond()
        play.head(images: true)
        #expect(play.end() == .admitAndForward)
    }

    // MARK: - 100 Continue

    @Test(arguments: [(0, ConnectionState.HeadAction.inviteAndForward), (1000, .inviteAndForward), (1001, .forward)])
    func aBodyWithinTheLimitIsInvited(length: Int, action: ConnectionState.HeadAction) {
        let play = Play()
        #expect(play.head(expects: true, length: length) == action)
    }

    @Test func aRefusalIsNoInvitation() {
        let play = Play()
        #expect(play.head(images: true, expects: true, length: 10, full: 1) == .refuse(retryAfterSeconds: 1))
    }

    @Test func nobodyIsInvitedInTheMiddleOfAnotherResponse() {
        let play = Play()
        play.request()
        #expect(play.head(expects: true, length: 10) == .forward)
    }

    // MARK: - What is discarded

    @Test func ofARefusedBodyFourMebibytesAreDiscardedAtLeast() {
        let play = Play()
        play.head(images: true, full: 1)
        #expect(play.body(4 << 20) == .discard)
        #expect(play.body(1) == .close)
    }

    @Test func ofARefusedBodyAsMuchIsDiscardedAsABodyMayHave() {
        let play = Play()
        play.head(images: true, limit: 8 << 20, full: 1)
        #expect(play.body(8 << 20) == .discard)
        #expect(play.body(1) == .close)
    }

    @Test func whatComesAfterTheResponseIsBoundedToo() {
        let play = Play()
        play.head()
        #expect(play.body(100 << 20) == .forward)  // the route's to bound
        play.respond()
        #expect(play.body(4 << 20) == .forward)
        #expect(play.body(1) == .close)
    }

    @Test func theNextRequestsBodyIsDiscardedAnew() {
        let play = Play()
        for _ in 0..<3 {
            play.head(images: true, full: 1)
            #expect(play.body(3 << 20) == .discard)
            play.end()
        }
    }

    // MARK: - Malformed requests

    @Test(arguments: [ConnectionState.Malformation.headTooLarge, .notHTTP("no colon")])
    func theParsersBare400BecomesAProblemAndTheLastResponse(malformation: ConnectionState.Malformation) {
        let play = Play()
        play.malformed(malformation)
        #expect(play.writeHead(isBare400: true, closes: true) == .replace(malformation))
        #expect(play.writeEnd() == .closeSoon)
    }

    @Test func responsesBeforeTheMalformedRequestStayAsTheyAre() {
        let play = Play()
        play.request()
        play.malformed(.headTooLarge)
        #expect(play.writeHead() == .forward)
        #expect(play.writeEnd() == .keepOpen)
        #expect(play.writeHead(isBare400: true, closes: true) == .replace(.headTooLarge))
    }

    @Test func a400WithoutMalformationIsARoutes() {
        let play = Play()
        play.request()
        #expect(play.writeHead(isBare400: true) == .forward)
    }

    // MARK: - Idle clients and slow bodies

    @Test func whoSendsNothingForTheTimeoutIsHungUpOn() {
        let play = Play()
        #expect(play.timer() == 60)
        #expect(play.hangsUp(after: 60))
    }

    @Test func activityPutsTheHangUpOff() {
        let play = Play()
        play.wait(50)
        play.request()
        play.respond()
        #expect(!play.hangsUp(after: 10))
        #expect(play.timer() == 50)
        #expect(play.hangsUp(after: 50))
    }

    @Test func nobodyIsIdleWhileAResponseIsOwed() {
        let play = Play()
        play.request()
        #expect(play.timer() == nil)
        #expect(!play.hangsUp(after: 3600))
        play.respond()
        #expect(play.timer() == 60)
    }

    @Test func aBodyThatStopsIsHungUpOn() {
        let play = Play()
        play.head()
        play.body(100_000)
        #expect(play.hangsUp(after: 60))
    }

    @Test func aBodyThatTricklesIsHungUpOn() {
        let play = Play()
        play.head()
        for _ in 0..<60 {
            #expect(!play.hangsUp())
            play.wait(1)
            play.body(1023)
        }
        #expect(play.hangsUp())
    }

    @Test func aBodyOfAKibibytePerSecondIsRead() {
        let play = Play()
        play.head()
        for _ in 0..<600 {
            play.wait(1)
            play.body(1024)
            #expect(!play.hangsUp())
        }
    }

    @Test(arguments: [true, false]) func aRefusedBodyMustNotTrickleEither(isRefusedAtItsHead: Bool) {
        let play = Play()
        play.head(images: isRefusedAtItsHead, full: 1)
        if !isRefusedAtItsHead { play.respond() }
        for _ in 0..<59 {
            play.wait(1)
            play.body(10)
            #expect(!play.hangsUp())
        }
        play.body(10)
        #expect(play.hangsUp(after: 1))
    }

    @Test func aBodyBehindARequestThatIsComputedIsNotSlow() {
        let play = Play()
        play.request()
        play.head()
        play.body(10)
        #expect(play.timer() == nil)
        #expect(!play.hangsUp(after: 3600))
        // Its time begins when its turn comes.
        play.respond()
        #expect(play.timer() == 60)
        #expect(play.hangsUp(after: 60))
    }

    // MARK: - Slow readers

    @Test func whoTakesNothingOfAResponseIsHungUpOn() {
        let play = Play()
        play.request()
        _ = play.writeHead()
        play.send()
        #expect(play.timer() == 60)
        play.send()
        #expect(!play.hangsUp(after: 59))
        #expect(play.hangsUp(after: 1))
    }

    @Test(arguments: [(1024, false), (512, true)]) func itIsTheRateThatCounts(bytesPerSecond: Int, isHungUpOn: Bool) {
        let play = Play()
        play.request()
        _ = play.writeHead()
        var hangsUp = false
        for _ in 0..<20 {
            play.send()
            for _ in 0..<30 { hangsUp = hangsUp || play.hangsUp(after: 1) }
            play.take(30 * bytesPerSecond)
        }
        #expect(hangsUp == isHungUpOn)
    }

    @Test func theTimerMovesForwardWhereLessTimeIsLeft() {
        let play = Play()
        play.request()
        _ = play.writeHead()
        play.send()
        play.wait(50)
        play.take(1024)
        #expect(play.timer() == nil)
        play.send()
        #expect(play.movedTimer() == 11)
        #expect(play.movedTimer() == nil, "it is set")
    }

    @Test func theNextResponseHasTheWholeTimeAgain() {
        let play = Play()
        play.request()
        _ = play.writeHead()
        play.send()
        play.wait(50)
        play.take(0)
        _ = play.writeEnd()
        play.request()
        _ = play.writeHead()
        play.send()
        #expect(play.timer() == 60)
    }

    @Test func whoStillTakesTheLastBytesIsNotIdle() {
        let play = Play()
        play.request()
        _ = play.writeHead()
        play.send()
        _ = play.writeEnd()
        play.wait(59)
        play.take(60 << 10)
        #expect(play.timer() == 60)
    }

    // MARK: - The last response and the drain

    @Test func aResponseThatClosesTheConnectionLeavesTimeToReadIt() {
        let play = Play()
        play.request()
        #expect(play.respond(closes: true) == .closeSoon)
    }

    @Test func aDrainClosesAConnectionThatOwesNothing() {
        let play = Play()
        #expect(play.drain())
        let other = Play()
        other.request()
        other.respond()
        #expect(other.drain())
    }

    @Test func aDrainWaitsForEveryResponseThatIsOwed() {
        let play = Play()
        play.request()
        play.request()
        #expect(!play.drain())
        #expect(play.respond() == .keepOpen)
        #expect(play.respond() == .close)
    }

    @Test func aConnectionIsNewUntilItsFirstHead() {
        let play = Play()
        #expect(play.state.isNew)
        play.head(images: true, full: 1)
        #expect(!play.state.isNew)
    }
}
