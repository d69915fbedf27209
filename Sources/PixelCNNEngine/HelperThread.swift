// One image on two threads. A pixel's passes follow one another and must stay on one thread, but two parts of the work
// need not wait for the pixel's values: the vertical stack of the rows below follows the pixels as a wavefront, and the
// left taps of the next pixel begin with each colour group that is done. A second thread does the former, and the
// latter while nothing else is due, in the same order of additions, so that the bits are the same with and without it.
//
// Where the vertical stack has come far enough, the session draws a pixel of the row below in the same step: both share
// each weight, which comes from L3, so the step takes hardly longer than that of one.
//
// The session lends its image for as long as it is the only one. All hand-over is by atomics; each side spins a little
// before it parks, since the other is a few microseconds away.

import Foundation
import PixelCNNKernels
import Synchronization

/// A session's helper: the thread that calls ``help(while:)``.
package final class HelperThread: @unchecked Sendable {
    /// Columns of a block that a piece takes at least, except at a row's end, and at most. Few take hardly less time
    /// than many, for the weights come from L3; but the sooner a row follows the one above, the longer both are drawn
    /// together.
    private static let leastColumns = 5, mostColumns = 32

    private enum State {
        static let absent = 0, offered = 1, lent = 2, ending = 3
    }

    /// Who adds the left taps of the next pixel: the session, or the second thread once it has claimed what is offered.
    private enum Taps {
        static let none = 0, offered = 1, claimed = 2
    }

    private let passesPerPixel: Int
    private let vertical: VerticalStack
    private let horizontal: HorizontalStack
    private var image: ImageInFlight?  // while lent

    private let state = Atomic<Int>(State.absent)
    private let wantsToLeave = Atomic<Bool>(false)
    /// Whether the session wants help at all.
    private let isWanted = Atomic<Bool>(true)
    private let helperParker = Parker()
    private let sessionParker = Parker()

    /// Passes of pixel `tapped` that are complete, and pixels that are, with the columns of the row below that the
    /// vertical stack may read: the second thread's input.
    private let passes = Atomic<Int>(0), tapped = Atomic<Int>(0), drawn = Atomic<Int>(0), drawnBelow = Atomic<Int>(0)
    /// Left taps of the pixel after `tapped`, and pixels that the vertical stack is ready for: its output.
    private let taps = Atomic<Int>(Taps.none), ready = Atomic<Int>(0), readyBelow = Atomic<Int>(0)
    // Only the session uses what follows.
    /// Whether the image's pixel is the one after `tapped`.
    private var hasOfferedTaps = false
    private var pace = HelpPace()
    private var row: TimedRow?

    private struct TimedRow {
        let image: ObjectIdentifier
        let number: Int
        let start: ContinuousClock.Instant
        /// Whether the row, or the one before it, began while it was the only one.
        let isWhole: Bool
        var waited = Duration.zero
        var isHelped = true
    }

    init(vertical: VerticalStack, horizontal: HorizontalStack, passes: Int) {
        vertical.reserve(columns: Self.mostColumns)
        self.vertical = vertical
        self.horizontal = horizontal
        passesPerPixel = passes
    }

    // MARK: - The second thread

    /// Helps the session until its image is done or has company, or `shouldContinue` says no (it is called every few
    /// microseconds and must be quick). Returns soon where the session makes no step or has other than one image. One
    /// thread at a time may help.
    package func help(while shouldContinue: () -> Bool) {
        guard isWanted.load(ordering: .relaxed) else {
            // It must not take a core from the session, which may have only one.
            Thread.sleep(forTimeInterval: Self.secondsUnwanted)
            return
        }
        guard change(from: State.absent, to: State.offered) else { return }
        for spin in 0..<Self.offerSpins where state.load(ordering: .acquiring) == State.offered {
            Kernels.spinHint()
            if spin % 64 == 0, !shouldContinue() { break }
        }
        if change(from: State.offered, to: State.absent) { return }
        work(while: shouldContinue)
        wantsToLeave.store(false, ordering: .relaxed)
        state.store(State.absent, ordering: .sequentiallyConsistent)
        sessionParker.wake()
    }

    /// Longer than a pixel with the vertical stack of a row before it.
    private static let offerSpins = 100_000
    /// A tenth of a row of the published network.
    private static let secondsUnwanted = 0.0005

    private func work(while shouldContinue: () -> Bool) {
        guard let image else { return }
        var pass: Int?  // of the pixel whose left taps are claimed
        while state.load(ordering: .sequentiallyConsistent) == State.lent {
            if !shouldContinue() { wantsToLeave.store(true, ordering: .relaxed) }
            if let next = pass {
                helperParker.park {
                    passes.load(ordering: .sequentiallyConsistent) > next
                        || state.load(ordering: .sequentiallyConsistent) != State.lent
                }
                guard passes.load(ordering: .acquiring) > next else { break }
                pass = addLeftTaps(of: image, pass: next)
                continue
            }
            // Read before the work: what changes after that, the wait sees. In this order, so that no column of the row
            // below is taken for one of the row after that: see didAdvance.
            let pixels = drawn.load(ordering: .sequentiallyConsistent)
            let below = drawnBelow.load(ordering: .sequentiallyConsistent)
            let offer = taps.load(ordering: .acquiring)
            if computeVerticalPiece(of: image, drawn: DrawnPixels(pixel: pixels, columnsBelow: below)) { continue }
            if offer == Taps.offered, claimTaps() {
                pass = 0
            } else {
                helperParker.park {
                    state.load(ordering: .sequentiallyConsistent) != State.lent
                        || taps.load(ordering: .sequentiallyConsistent) == Taps.offered
                        || drawn.load(ordering: .sequentiallyConsistent) > pixels
                }
            }
        }
    }

    private func claimTaps() -> Bool {
        taps.compareExchange(
            expected: Taps.offered, desired: Taps.claimed, ordering: .sequentiallyConsistent
        ).exchanged
    }

    /// Left taps of the pixel after `tapped`, whose pass `pass` is complete. Returns the next pass.
    private func addLeftTaps(of image: ImageInFlight, pass: Int) -> Int? {
        if pass == 0 {
            let pixel = tapped.load(ordering: .relaxed) + 1
            horizontal.beginNext(column: pixel % image.width, cache: image.cache)
        }
        horizontal.addNextLeftTaps(pass)
        guard pass + 1 == passesPerPixel else { return pass + 1 }
        taps.store(Taps.none, ordering: .sequentiallyConsistent)
        sessionParker.wake()
        return nil
    }

    private func computeVerticalPiece(of image: ImageInFlight, drawn: DrawnPixels) -> Bool {
        guard
            let piece = image.wavefront.nextPiece(drawn: drawn, least: Self.leastColumns, most: Self.mostColumns)
        else { return false }
        vertical.compute(piece, of: image.cache, label: image.label)
        image.wavefront.complete(piece)
        readyBelow.store(image.wavefront.readyBelow, ordering: .sequentiallyConsistent)
        ready.store(image.wavefront.ready, ordering: .sequentiallyConsistent)
        sessionParker.wake()
        return true
    }

    // MARK: - The session

    /// Lends `image`, the only one of the session, where there is a second thread that wants to help; false where there
    /// is none, or it wants to leave, or is not worth its waits.
    func lend(_ image: ImageInFlight) -> Bool {
        beginRow(of: image)
        let isLent = isLent(image)
        if !isLent { row?.isHelped = false }
        return isLent
    }

    private func isLent(_ image: ImageInFlight) -> Bool {
        if self.image === image {
            if !wantsToLeave.load(ordering: .relaxed) && pace.wantsHelp { return true }
            takeBack()
            return false
        }
        guard pace.wantsHelp else { return false }
        guard state.load(ordering: .acquiring) == State.offered else { return false }
        self.image = image
        hasOfferedTaps = false
        taps.store(Taps.none, ordering: .relaxed)
        drawn.store(image.pixel, ordering: .relaxed)
        drawnBelow.store(0, ordering: .relaxed)
        ready.store(image.wavefront.ready, ordering: .relaxed)
        readyBelow.store(image.wavefront.readyBelow, ordering: .relaxed)
        if change(from: State.offered, to: State.lent) { return true }
        self.image = nil
        return false
    }

    /// Ends a loan; the second thread does nothing more when this returns.
    func takeBack() {
        guard image != nil else { return }
        state.store(State.ending, ordering: .sequentiallyConsistent)
        helperParker.wake()
        sessionParker.park { state.load(ordering: .sequentiallyConsistent) != State.ending }
        image = nil
    }

    /// Tells the pace of the row above, where the session has spent all of it on this image.
    private func beginRow(of image: ImageInFlight) {
        let identifier = ObjectIdentifier(image)
        if row?.image == identifier && row?.number == image.row { return }
        let now = ContinuousClock.now
        var isWhole = image.column == 0
        if let row, row.image == identifier, row.number + 1 == image.row, row.isWhole {
            pace.completeRow(
                isHelped: row.isHelped, in: (now - row.start) / image.width, waited: row.waited / image.width)
            isWhole = true
        }
        isWanted.store(pace.wantsHelp, ordering: .relaxed)
        row = TimedRow(image: identifier, number: image.row, start: now, isWhole: isWhole)
    }

    /// The session has other images, too, so the time of the row says nothing.
    func forgetRow() { row = nil }

    /// Waits for what the second thread prepares for the image's pixel, then begins it; and one of the row below, in
    /// the next slot, where the vertical stack has come so far already. Returns the latter.
    func beginPixels(of image: ImageInFlight) -> Place? {
        let pixel = image.pixel
        let isPrepared = hasOfferedTaps && !takeBackTaps()
        hasOfferedTaps = false
        wait {
            isReady(pixel, width: image.width)
                && taps.load(ordering: .sequentiallyConsistent) == Taps.none
        }
        if isPrepared {
            horizontal.beginPreparedPixel(
                row: image.row, column: image.column, cache: image.cache, label: image.label)
        } else {
            begin(image.place, slot: 0, of: image)
        }
        let below = image.placeBelow.flatMap { isReady(image.number(of: $0), width: image.width) ? $0 : nil }
        if let below { begin(below, slot: 1, of: image) }
        let slots = (isPrepared ? 1 : 0)..<(below == nil ? 1 : 2)
        if !slots.isEmpty { horizontal.addLeftTaps(slots) }
        return below
    }

    /// Whether the vertical stack has the pixel's column, in either of its two rows.
    private func isReady(_ pixel: Int, width: Int) -> Bool {
        if ready.load(ordering: .sequentiallyConsistent) > pixel { return true }
        let below = readyBelow.load(ordering: .sequentiallyConsistent)
        return below > pixel && below / width == pixel / width
    }

    /// Whether the second thread has not claimed them.
    private func takeBackTaps() -> Bool {
        taps.compareExchange(
            expected: Taps.offered, desired: Taps.none, ordering: .sequentiallyConsistent
        ).exchanged
    }

    private func begin(_ place: Place, slot: Int, of image: ImageInFlight) {
        horizontal.beginPixel(
            slot: slot, row: place.row, column: place.column, cache: image.cache, label: image.label)
    }

    /// Waits until the vertical stack has come so far, of an image whose pixels are computed together.
    func wait(forVertical pixels: Int) {
        wait { ready.load(ordering: .sequentiallyConsistent) >= pixels }
    }

    private func wait(until isTrue: () -> Bool) {
        if isTrue() { return }
        let start = ContinuousClock.now
        sessionParker.park(until: isTrue)
        row?.waited += ContinuousClock.now - start
    }

    /// Colour group `c` of the blocks is complete at the image's pixel, whose left taps at the next pixel the second
    /// thread may add.
    func didCompute(group c: Int, of image: ImageInFlight) {
        passes.store(c + 1, ordering: .sequentiallyConsistent)
        if c == 0, image.column + 1 < image.width {
            tapped.store(image.pixel, ordering: .relaxed)
            taps.store(Taps.offered, ordering: .sequentiallyConsistent)
            hasOfferedTaps = true
        }
        helperParker.wake()
    }

    /// The image has advanced, or `count` more of its pixels are known and will need nothing of its cache.
    /// `keepingRow` if all that the rows below read of the current row will still be wanted when it is complete.
    func didAdvance(_ image: ImageInFlight, by count: Int = 0, keepingRow: Bool = false) {
        // In this order at a row's end, where what was below no longer is.
        if image.columnsBelow == 0 { drawnBelow.store(0, ordering: .sequentiallyConsistent) }
        drawn.store(image.pixel + count, ordering: .sequentiallyConsistent)
        if image.columnsBelow > 0, !keepingRow {
            drawnBelow.store(image.columnsBelow, ordering: .sequentiallyConsistent)
        }
        helperParker.wake()
    }

    private func change(from old: Int, to new: Int) -> Bool {
        state.compareExchange(expected: old, desired: new, ordering: .sequentiallyConsistent).exchanged
    }
}

// MARK: - Waiting

/// Where one side waits for a condition that the other makes true, a few microseconds later: it spins first, since to
/// sleep and be woken takes longer than what it waits for, and parks after that, since the other thread may have lost
/// its core.
private final class Parker: @unchecked Sendable {
    /// Some 50 µs: a few passes of the published network.
    private static let spins = 2000

    private let condition = NSCondition()
    private let isParked = Atomic<Bool>(false)

    /// Returns when `isTrue`. It reads atomics that the other side stores, sequentially consistent, before it wakes.
    func park(until isTrue: () -> Bool) {
        for _ in 0..<Self.spins {
            if isTrue() { return }
            Kernels.spinHint()
        }
        condition.lock()
        isParked.store(true, ordering: .sequentiallyConsistent)
        while !isTrue() { condition.wait() }
        isParked.store(false, ordering: .relaxed)
        condition.unlock()
    }

    /// Wakes the other side where it is parked.
    func wake() {
        guard isParked.load(ordering: .sequentiallyConsistent) else { return }
        condition.withLock { condition.broadcast() }
    }
}
