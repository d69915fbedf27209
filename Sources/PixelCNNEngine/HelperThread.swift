// One image on two threads. A pixel's passes follow one another and must stay on one thread, but some of the work need
// not wait for the pixel's values: the vertical stack of the rows below follows the pixels as a wavefront, and what it
// sums over the rows above needs no pixel at all; the left taps of the next pixel begin with each colour group that is
// done; the logits of a pass begin with the groups before. A second thread does what it can of that, and the session
// what is left of the last two, in the same order of additions, so that the bits are the same with and without it.
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
    /// Columns of a block that a piece takes at most.
    private static let mostColumns = 32

    /// Columns by which a row goes on at least, except at its end. Few take hardly less time than many, for the weights
    /// come from L3; but the sooner a row follows the one above, the longer both are drawn together, which matters less
    /// in a wide image. Odd, so that a piece has as many tiles of F(2, 3) from an odd column on as from an even one.
    private static func leastColumns(width: Int) -> Int { min(max(width / 8 | 1, 5), 15) }

    /// A piece of sums over the rows above has at least so many columns, except at a row's end.
    private static let leastColumnsOfSums = 16
    /// Wider images have no such sums ahead: their pieces have more columns, so it would gain little for its memory.
    static let mostColumnsOfSums = 64

    private enum State {
        static let absent = 0, offered = 1, lent = 2, ending = 3
    }

    /// What the next pass' logits start from: offered by the session, taken by the second thread, complete.
    private enum Logits {
        static let none = 0, offered = 1, taken = 2, complete = 3
    }

    private let vertical: VerticalStack
    private let horizontal: HorizontalStack
    private let leftTaps: PieceQueue
    private let passes: Int
    private var image: ImageInFlight?  // while lent
    /// Columns for whose sums over rows above there is room; changes while no image is lent.
    private var sumWidth = 0

    private let state = Atomic<Int>(State.absent)
    private let wantsToLeave = Atomic<Bool>(false)
    /// Whether the session wants help at all.
    private let isWanted = Atomic<Bool>(true)
    private let helperParker = Parker()
    private let sessionParker = Parker()

    /// Pixels that are complete, with the columns of the row below that the vertical stack may read: the second
    /// thread's input.
    private let drawn = Atomic<Int>(0), drawnBelow = Atomic<Int>(0)
    /// Pixels that the vertical stack is ready for: its output.
    private let ready = Atomic<Int>(0), readyBelow = Atomic<Int>(0)
    private let logits = Atomic<Int>(Logits.none)
    // What the second thread's work is of: the session writes it while there is none.
    private var passOfLogits = 0
    private var work = SharedWork()
    // Only the session uses what follows.
    /// Slots that the pixels before the next ones have, where the next ones' left taps are added: of the row, and of
    /// the one below.
    private var prepared: (row: Int?, below: Int?) = (nil, nil)
    private var pace = HelpPace()
    private var row: TimedRow?

    private struct SharedWork {
        /// Pixels that are computed together.
        var count = 1
        /// Slots of the pixels that others follow, and the columns of those.
        var followedSlots = 0..<0
        var nextColumns = (0, 0)
    }

    private struct TimedRow {
        let image: ObjectIdentifier
        let number: Int
        let start: ContinuousClock.Instant
        /// Whether the row, or the one before it, began while it was the only one.
        let isWhole: Bool
        var waited = Duration.zero
        var isHelped = true
    }

    init(vertical: VerticalStack, horizontal: HorizontalStack, blocks: Int, passes: Int) {
        vertical.reserve(columns: Self.mostColumns)
        self.vertical = vertical
        self.horizontal = horizontal
        self.passes = passes
        leftTaps = PieceQueue(blocks: blocks, passes: passes)
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
        while state.load(ordering: .sequentiallyConsistent) == State.lent {
            if !shouldContinue() { wantsToLeave.store(true, ordering: .relaxed) }
            // Read before the work: what changes after that, the wait sees. In this order, so that no column of the row
            // below is taken for one of the row after that: see didAdvance.
            let pixels = drawn.load(ordering: .sequentiallyConsistent)
            let below = drawnBelow.load(ordering: .sequentiallyConsistent)
            if beginLogits()
                || computeVerticalPiece(of: image, drawn: DrawnPixels(pixel: pixels, columnsBelow: below))
                || sumAbove(of: image)
                || addLeftTaps(of: image, from: .first)
            {
                continue
            }
            helperParker.park {
                state.load(ordering: .sequentiallyConsistent) != State.lent || leftTaps.hasPiece
                    || logits.load(ordering: .sequentiallyConsistent) == Logits.offered
                    || drawn.load(ordering: .sequentiallyConsistent) > pixels
            }
        }
    }

    /// A piece of the left taps of the next pixels, on either thread; whether there was one.
    private func addLeftTaps(of image: ImageInFlight, from side: PieceQueue.Side) -> Bool {
        guard let piece = leftTaps.take(from: side) else { return false }
        horizontal.prepareNext(
            piece.pass, piece.blocks, slots: work.followedSlots, columns: work.nextColumns, cache: image.cache)
        leftTaps.finish()
        sessionParker.wake()
        return true
    }

    /// What the next pass' logits start from; whether that was to be computed.
    private func beginLogits() -> Bool {
        guard change(logits, from: Logits.offered, to: Logits.taken) else { return false }
        horizontal.beginLogits(passOfLogits, count: work.count)
        logits.store(Logits.complete, ordering: .sequentiallyConsistent)
        sessionParker.wake()
        return true
    }

    private func computeVerticalPiece(of image: ImageInFlight, drawn: DrawnPixels) -> Bool {
        guard
            let piece = image.wavefront.nextPiece(
                drawn: drawn, least: Self.leastColumns(width: image.width), most: Self.mostColumns)
        else { return false }
        vertical.compute(piece, of: image.cache, label: image.label)
        image.wavefront.complete(piece)
        readyBelow.store(image.wavefront.readyBelow, ordering: .sequentiallyConsistent)
        ready.store(image.wavefront.ready, ordering: .sequentiallyConsistent)
        sessionParker.wake()
        return true
    }

    /// A piece of the sums over the rows above, which wait for no pixel, so that it has many columns. The pieces that
    /// wait have few, and with the sums they take little more than half of the time.
    private func sumAbove(of image: ImageInFlight) -> Bool {
        guard image.width <= sumWidth,
            let piece = image.wavefront.nextPieceAbove(least: Self.leastColumnsOfSums, most: Self.mostColumns)
        else { return false }
        vertical.compute(piece, of: image.cache, label: image.label)
        image.wavefront.complete(piece)
        return true
    }

    // MARK: - The session

    /// Makes room for an image of `width` columns, while none is lent.
    func reserve(width: Int) {
        guard width > sumWidth, width <= Self.mostColumnsOfSums else { return }
        vertical.reserveAbove(width: width)
        sumWidth = width
    }

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
        prepared = (nil, nil)
        drawn.store(image.pixel, ordering: .relaxed)
        drawnBelow.store(0, ordering: .relaxed)
        ready.store(image.wavefront.ready, ordering: .relaxed)
        readyBelow.store(image.wavefront.readyBelow, ordering: .relaxed)
        guard change(from: State.offered, to: State.lent) else {
            self.image = nil
            return false
        }
        // Nothing was prepared for its first row, which says little of those that follow.
        row?.isHelped = false
        return true
    }

    /// Ends a loan; the second thread does nothing more when this returns.
    func takeBack() {
        guard let image else { return }
        state.store(State.ending, ordering: .sequentiallyConsistent)
        helperParker.wake()
        sessionParker.park { state.load(ordering: .sequentiallyConsistent) != State.ending }
        image.wavefront.forgetSums()
        self.image = nil
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

    /// Waits until the vertical stack has the image's pixel, then begins it; and one of the row below, in the next
    /// slot, where the vertical stack has come so far already. Returns the latter.
    func beginPixels(of image: ImageInFlight) -> Place? {
        let pixel = image.pixel
        wait { isReady(pixel, width: image.width) }
        begin(image.place, slot: 0, prepared: prepared.row, of: image)
        // Left taps of one pixel take as long as those of two: where only the row's are there, the pixel below waits
        // for the next step, to be prepared with it.
        let mayBegin = prepared.row == nil || prepared.below != nil || image.columnsBelow == 0
        let below = image.placeBelow.flatMap {
            mayBegin && isReady(image.number(of: $0), width: image.width) ? $0 : nil
        }
        if let below { begin(below, slot: 1, prepared: prepared.below, of: image) }
        let slots = (prepared.row == nil ? 0 : 1)..<(below == nil || prepared.below != nil ? 1 : 2)
        if !slots.isEmpty { horizontal.addLeftTaps(slots) }
        return below
    }

    /// Whether the vertical stack has the pixel's column, in either of its two rows.
    private func isReady(_ pixel: Int, width: Int) -> Bool {
        if ready.load(ordering: .sequentiallyConsistent) > pixel { return true }
        let below = readyBelow.load(ordering: .sequentiallyConsistent)
        return below > pixel && below / width == pixel / width
    }

    private func begin(_ place: Place, slot: Int, prepared: Int?, of image: ImageInFlight) {
        if let prepared {
            horizontal.beginPreparedPixel(
                slot: slot, from: prepared, row: place.row, column: place.column, cache: image.cache,
                label: image.label)
        } else {
            horizontal.beginPixel(
                slot: slot, row: place.row, column: place.column, cache: image.cache, label: image.label)
        }
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

    /// Colour group `c` of all blocks at the image's pixel, and at `below`. Either thread may then add what that is to
    /// the left taps of the next pixels.
    func computeGroup(_ c: Int, of image: ImageInFlight, and below: Place?) {
        if c == 0 { chooseNextPixels(of: image, below) }
        horizontal.computeGroup(c, count: work.count)
        guard !work.followedSlots.isEmpty else { return }
        leftTaps.offerPass()
        helperParker.wake()
    }

    /// The logits of pass `c`, and what goes into those of the next.
    func computeLogits(_ c: Int) {
        horizontal.computeHidden(c, count: work.count)
        if c == 0 || change(logits, from: Logits.offered, to: Logits.none) {
            horizontal.beginLogits(c, count: work.count)
        } else {
            wait { logits.load(ordering: .sequentiallyConsistent) == Logits.complete }
        }
        if c + 1 < passes {
            passOfLogits = c + 1
            logits.store(Logits.offered, ordering: .sequentiallyConsistent)
            helperParker.wake()
        }
        horizontal.completeLogits(c, count: work.count)
    }

    /// Chooses the pixels whose left taps are added meanwhile: those that follow current ones, where the vertical stack
    /// is ready for them.
    private func chooseNextPixels(of image: ImageInFlight, _ below: Place?) {
        let (pixel, width) = (image.pixel, image.width)
        let columns = (image.column + 1, image.columnsBelow + (below == nil ? 0 : 1))
        let isRowEnd = columns.0 == width
        let isRowReady = !isRowEnd && isReady(pixel + 1, width: width)
        let isBelowReady = columns.1 > 0 && isReady((image.row + 1) * width + columns.1, width: width)
        work.count = below == nil ? 1 : 2
        work.followedSlots = (isRowReady ? 0 : 1)..<(isBelowReady ? 2 : 1)
        work.nextColumns = columns
        let slotBelow = isBelowReady ? 1 : nil
        prepared = isRowEnd ? (slotBelow, nil) : (isRowReady ? 0 : nil, slotBelow)
    }

    /// Completes the left taps of the next pixels, together with the second thread.
    func finishLeftTaps(of image: ImageInFlight) {
        while !leftTaps.isComplete {
            if !addLeftTaps(of: image, from: .last) { wait { leftTaps.hasPiece || leftTaps.isComplete } }
        }
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

    private func change(from old: Int, to new: Int) -> Bool { change(state, from: old, to: new) }

    private func change(_ state: borrowing Atomic<Int>, from old: Int, to new: Int) -> Bool {
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
