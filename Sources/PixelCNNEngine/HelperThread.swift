// One image on two threads. A pixel's passes follow one another and must stay on one thread, but two parts of the work
// need not wait for the pixel's values: the vertical stack of the next row follows the pixels as a wavefront, and the
// left taps of the next pixel begin with each colour group that is done. A second thread does both, in the same order
// of additions, so that the bits are the same with it and without it.
//
// The session lends its image for as long as it is the only one. All hand-over is by counters that only grow; each side
// spins a little before it parks, since the other is a few microseconds away.

import Foundation
import PixelCNNKernels
import Synchronization

/// A session's helper: the thread that calls ``help(while:)``.
package final class HelperThread: @unchecked Sendable {
    /// Columns of a block that a piece takes at least, except at a row's end, and at most. Few take hardly less time
    /// than many, for the weights come from L3; the published network's pieces at a row's end are 8 to 22 columns.
    private static let leastColumns = 8, mostColumns = 24

    private enum State {
        static let absent = 0, offered = 1, lent = 2, ending = 3
    }

    private let passesPerPixel: Int
    private let vertical: VerticalStack
    private let horizontal: HorizontalStack
    private var image: ImageInFlight?  // while lent

    private let state = Atomic<Int>(State.absent)
    private let wantsToLeave = Atomic<Bool>(false)
    private let helperParker = Parker()
    private let sessionParker = Parker()

    /// Passes of the session (pixel · C + c), and pixels, that are complete: the second thread's input.
    private let passes = Atomic<Int>(0), drawn = Atomic<Int>(0)
    /// Passes whose left taps are added, and pixels that the vertical stack is ready for: its output.
    private let leftPasses = Atomic<Int>(0), ready = Atomic<Int>(0)
    /// The pixel whose left taps are being prepared, or are complete. Only the session uses it.
    private var prepared: Int?

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

    private func work(while shouldContinue: () -> Bool) {
        guard let image else { return }
        while state.load(ordering: .sequentiallyConsistent) == State.lent {
            if !shouldContinue() { wantsToLeave.store(true, ordering: .relaxed) }
            // Read before the work: what changes after that, the wait sees.
            let (pass, pixels) = (leftPasses.load(ordering: .relaxed), drawn.load(ordering: .acquiring))
            if pass < passes.load(ordering: .acquiring) {
                addLeftTaps(of: image, pass: pass, drawn: pixels)
            } else if !computeVerticalPiece(of: image, drawn: pixels) {
                helperParker.park {
                    state.load(ordering: .sequentiallyConsistent) != State.lent
                        || passes.load(ordering: .sequentiallyConsistent) > pass
                        || drawn.load(ordering: .sequentiallyConsistent) > pixels
                }
            }
        }
    }

    /// Left taps of the pixel after the one that pass `pass` belongs to; a row's first pixel has none.
    private func addLeftTaps(of image: ImageInFlight, pass: Int, drawn: Int) {
        let (pixel, c) = (pass / passesPerPixel + 1, pass % passesPerPixel)
        let column = pixel % image.width
        if column > 0 {
            if c == 0 {
                while image.wavefront.ready <= pixel {
                    guard computeVerticalPiece(of: image, drawn: drawn) else { return }
                }
                horizontal.beginNext(column: column, cache: image.cache)
            }
            horizontal.addNextLeftTaps(c)
        }
        leftPasses.store(pass + 1, ordering: .sequentiallyConsistent)
        sessionParker.wake()
    }

    private func computeVerticalPiece(of image: ImageInFlight, drawn: Int) -> Bool {
        guard
            let piece = image.wavefront.nextPiece(drawn: drawn, least: Self.leastColumns, most: Self.mostColumns)
        else { return false }
        vertical.compute(piece, of: image.cache, label: image.label)
        image.wavefront.complete(piece)
        ready.store(image.wavefront.ready, ordering: .sequentiallyConsistent)
        sessionParker.wake()
        return true
    }

    // MARK: - The session

    /// Lends `image`, where there is a second thread that wants to help; false where there is none, or it wants to
    /// leave.
    func lend(_ image: ImageInFlight) -> Bool {
        if self.image === image {
            if !wantsToLeave.load(ordering: .relaxed) { return true }
            takeBack()
            return false
        }
        guard state.load(ordering: .acquiring) == State.offered else { return false }
        self.image = image
        prepared = nil
        passes.store(image.pixel * passesPerPixel, ordering: .relaxed)
        leftPasses.store(image.pixel * passesPerPixel, ordering: .relaxed)
        drawn.store(image.pixel, ordering: .relaxed)
        ready.store(image.wavefront.ready, ordering: .relaxed)
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

    /// Waits for what the second thread prepares for the image's pixel, then begins it.
    func beginPixel(of image: ImageInFlight) {
        let pixel = image.pixel
        sessionParker.park {
            ready.load(ordering: .sequentiallyConsistent) > pixel
                && leftPasses.load(ordering: .sequentiallyConsistent) >= pixel * passesPerPixel
        }
        if image.column > 0 && prepared == pixel {
            horizontal.beginPreparedPixel(
                row: image.row, column: image.column, cache: image.cache, label: image.label)
        } else {
            horizontal.beginPixel(
                slot: 0, row: image.row, column: image.column, cache: image.cache, label: image.label)
            horizontal.addLeftTaps(count: 1)
        }
        prepared = pixel + 1
    }

    /// Colour group `c` of the blocks is complete at the image's pixel.
    func didCompute(group c: Int, of image: ImageInFlight) {
        passes.store(image.pixel * passesPerPixel + c + 1, ordering: .sequentiallyConsistent)
        helperParker.wake()
    }

    /// The image has advanced.
    func didAdvance(_ image: ImageInFlight) {
        drawn.store(image.pixel, ordering: .sequentiallyConsistent)
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
