// Work on all blocks that follows from a colour group, in pieces of some blocks, which two threads take as they are
// free: one from the first on, the other from the last on, so that a block's sums mostly stay in one core's cache.

import Synchronization

/// Which pieces are there, taken and complete, of one pass after the other. Passes are numbered from one pixel to the
/// next without end, so that an old number is never taken for a new one.
final class PieceQueue: Sendable {
    /// From which side a thread takes.
    enum Side { case first, last }

    struct Piece {
        let pass: Int
        let blocks: Range<Int>
    }

    /// Pieces of a pass: enough for both threads to be done together, few enough to cost nothing.
    private static let most = 5
    private static let bits = 4  // of a piece's number

    private let blocks: Int
    private let passes: Int
    private let pieces: Int
    private let offered = Atomic<Int>(0), complete = Atomic<Int>(0)
    /// The pass, from 1 on, and its pieces that are not taken: the first one, and the one after the last.
    private let state = Atomic<Int>(0)

    init(blocks: Int, passes: Int) {
        self.blocks = blocks
        self.passes = passes
        pieces = min(blocks, Self.most)
    }

    /// The next pass can be taken.
    func offerPass() { offered.add(1, ordering: .sequentiallyConsistent) }

    /// Whether a piece can be taken.
    var hasPiece: Bool { open(state.load(ordering: .acquiring)) != nil }

    /// Whether all that is offered is complete.
    var isComplete: Bool {
        complete.load(ordering: .sequentiallyConsistent) == offered.load(ordering: .relaxed) * pieces
    }

    /// The pass of which pieces can be taken, and which: a pass adds to the sums of the one before, which must be
    /// complete.
    private func open(_ state: Int) -> (pass: Int, first: Int, end: Int)? {
        let mask = 1 << Self.bits - 1
        let (pass, first, end) = (state >> (2 * Self.bits), state >> Self.bits & mask, state & mask)
        if first < end { return (pass, first, end) }
        guard pass < offered.load(ordering: .sequentiallyConsistent),
            complete.load(ordering: .acquiring) == pass * pieces
        else { return nil }
        return (pass + 1, 0, pieces)
    }

    /// A piece, for the caller to do and then ``finish()``; nil where there is none, or another thread has just taken
    /// one.
    func take(from side: Side) -> Piece? {
        let old = state.load(ordering: .acquiring)
        guard let (pass, first, end) = open(old) else { return nil }
        let piece = side == .first ? first : end - 1
        let rest = side == .first ? (first + 1, end) : (first, end - 1)
        let new = pass << (2 * Self.bits) | rest.0 << Self.bits | rest.1
        guard state.compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing).exchanged else {
            return nil
        }
        return Piece(
            pass: (pass - 1) % passes, blocks: piece * blocks / pieces..<(piece + 1) * blocks / pieces)
    }

    /// A piece that the caller took is complete.
    func finish() { complete.add(1, ordering: .sequentiallyConsistent) }
}
