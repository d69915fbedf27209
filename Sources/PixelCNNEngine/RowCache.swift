// What one image in flight remembers of the rows above the pixel that is computed. Only the last rows of each layer are
// ever read again, so the size does not depend on the image's height: about 1 MB for the published network at 32
// columns. Which rows those are, the network's shape says.
//
// Who touches a row cache: the vertical stack and prefill write rows and the horizontal stack's accumulators; the
// session and prefill write values and the first features; the horizontal stack reads. All of them run on the session's
// thread, except while an image is lent to the session's helper thread: its vertical stack then writes the next two
// rows, and the horizontal stack's left taps are read there. Nobody else sees a pointer: the prefix cache copies
// checkpoints in and out, the pool holds caches without an image.

import Foundation
import PixelCNNKernels

/// One image's activation rows. Owned by one session at a time.
final class RowCache {
    let layout: Layout

    /// Rings of rows, one after the other, (kept, W + 2 · pad, channels) each, row r at r % kept, zero beside the
    /// image: the values as the network reads them, which the horizontal stack's first layer sees, too; each block's
    /// vertical input, the first one's finished pixel by pixel where both stacks start from it; and what else a block
    /// keeps.
    private let rows: FloatBuffer
    /// The link of the current row: (blocks, W, 2 · room), the initial accumulators of the horizontal stack. Not set
    /// to zero, so that it takes no memory where a scored image does without; what is read beside it comes to nothing.
    private let toHorizontal: FloatBuffer

    init(_ layout: Layout) {
        self.layout = layout
        rows = FloatBuffer(count: layout.rowCount)
        toHorizontal = FloatBuffer(uninitializedCount: layout.toHorizontalCount)
    }

    /// Where things are in a row cache and in a checkpoint of it, in floats.
    struct Layout: Sendable {
        let shape: NetworkShape
        let width: Int

        fileprivate let accumulators: Int  // of a column's tanh half and sigmoid half: 2 · room

        init(_ shape: NetworkShape, width: Int) {
            self.shape = shape
            self.width = width
            accumulators = 2 * shape.featureRoom
        }

        fileprivate var rowCount: Int { shape.rings.last.map { count($0.after) } ?? 0 }
        fileprivate var valueCount: Int { shape.rings.first.map { count($0.after) } ?? 0 }
        fileprivate var toHorizontalCount: Int { shape.blocks * width * accumulators }

        private func count(_ floats: (perColumn: Int, fixed: Int)) -> Int { floats.perColumn * width + floats.fixed }

        /// Bytes of a row cache.
        var byteCount: Int { (rowCount + toHorizontalCount) * MemoryLayout<Float>.stride }

        /// Floats of a checkpoint: the rows of each ring that are read by later ones.
        var checkpointCount: Int { shape.rings.reduce(0) { $0 + $1.history * rowStride($1) } }

        fileprivate func rowStride(_ ring: NetworkShape.Ring) -> Int { (width + 2 * ring.pad) * ring.channels }

        /// Each row of the checkpoint after `rows` rows, with what lies beside it: its place in the rings, its place in
        /// the checkpoint, and its length. Rows above the image are left out: those of the layers are never read, those
        /// of the values are zero.
        fileprivate func forEachCheckpointRow(
            after rows: Int, _ body: (_ place: Int, _ offset: Int, _ count: Int) -> Void
        ) {
            var offset = 0
            for ring in shape.rings {
                let stride = rowStride(ring)
                for above in 0..<ring.history {
                    let row = rows - 1 - ring.lag - above
                    if row >= 0 { body(place(ring, row: row, column: -ring.pad), offset, stride) }
                    offset += stride
                }
            }
        }

        fileprivate func place(_ ring: NetworkShape.Ring, row: Int, column: Int) -> Int {
            // Of the values, rows above the image are read, too.
            count(ring.before) + (row + ring.kept) % ring.kept * rowStride(ring) + (column + ring.pad) * ring.channels
        }

        fileprivate func toHorizontal(block: Int, column: Int) -> Int { (block * width + column) * accumulators }
    }

    // MARK: - Values

    /// What the network reads for the values of row `row` from `column` on, a value's floats innermost.
    func values(row: Int, column: Int) -> UnsafeMutablePointer<Float> { ring(0, row: row, column: column).base }

    /// The values that the horizontal stack's first layer sees around a pixel (`patchContext`).
    func gatherPatch(row: Int, column: Int, into patch: UnsafeMutablePointer<Float>) {
        let shape = layout.shape
        var next = patch
        for run in shape.patch {
            let count = run.columns * shape.channels
            next.update(from: values(row: row + run.row, column: column + run.column), count: count)
            next += count
        }
    }

    // MARK: - Layers

    /// A ring's row from `column` on, as columns of its channels.
    func ring(_ ring: Int, row: Int, column: Int) -> Rows {
        let ring = layout.shape.rings[ring]
        return Rows(base: rows.base + layout.place(ring, row: row, column: column), stride: ring.channels)
    }

    /// Block `block`'s vertical share of the horizontal pre-activations from `column` on: tanh half, sigmoid half.
    func toHorizontal(block: Int, column: Int) -> Rows {
        Rows(
            base: toHorizontal.base + layout.toHorizontal(block: block, column: column), stride: layout.accumulators)
    }

    /// Forgets the image whose rows these were. What lies beside an image is zero and stays so; rows of the layers are
    /// not read before they are written.
    func forget() { rows.base.update(repeating: 0, count: layout.valueCount) }

    // MARK: - Checkpoints

    // What the rows below an image's first `rows` rows will read of its cache: the last rows of the values and of each
    // block's. Nothing of the horizontal stack, whose left columns are zero at a row's start, and nothing of
    // `toHorizontal`, which belongs to the row to come.

    /// Writes the checkpoint after `rows` rows. While a helper thread computes the row that comes next, too: that is
    /// none of those which are read here, and the row after that one waits where a checkpoint is due.
    func writeCheckpoint(to checkpoint: UnsafeMutablePointer<Float>, rows: Int) {
        layout.forEachCheckpointRow(after: rows) { place, offset, count in
            (checkpoint + offset).update(from: self.rows.base + place, count: count)
        }
    }

    /// Takes in the checkpoint after `rows` rows of an image of the same width.
    func restore(from checkpoint: UnsafePointer<Float>, rows: Int) {
        layout.forEachCheckpointRow(after: rows) { place, offset, count in
            (self.rows.base + place).update(from: checkpoint + offset, count: count)
        }
    }

    /// Goes on where another image of the same width stands after `rows` rows.
    func copyCheckpoint(of other: RowCache, rows: Int) {
        layout.forEachCheckpointRow(after: rows) { place, _, count in
            (self.rows.base + place).update(from: other.rows.base + place, count: count)
        }
    }
}

// MARK: - Caches without an image

/// Row caches of images that are done, for those that come next, of one engine: a megabyte each for the published
/// network, which would be given back and faulted in again, a quarter of a millisecond of an image's thirty. Bounded in
/// bytes, alone and together with the caches in use; what has lain there longest goes first, so that a pool of one
/// width does not hold up another. Shared by threads.
package final class RowCachePool: @unchecked Sendable {
    /// The caches of as many images of 32 columns, of the published network, as a thread steps together.
    package static let defaultByteLimit = 64 << 20

    private let byteLimit: Int
    private let totalByteLimit: Int
    // No Mutex, whose order ThreadSanitizer does not see.
    private let lock = NSLock()
    private var idle: [RowCache] = []
    private var idleBytes = 0
    private var usedBytes = 0

    /// An empty pool that keeps at most `byteLimit` bytes, and less where those together with the caches in use would
    /// be more than `totalByteLimit`.
    package init(byteLimit: Int = RowCachePool.defaultByteLimit, totalByteLimit: Int = .max) {
        self.byteLimit = byteLimit
        self.totalByteLimit = totalByteLimit
    }

    /// Bytes of the caches that wait.
    package var bytes: Int { lock.withLock { idleBytes } }

    /// A cache as good as new.
    func take(_ layout: RowCache.Layout) -> RowCache {
        let (used, superfluous) = lock.withLock {
            usedBytes += layout.byteCount
            var used: RowCache?
            if let place = idle.lastIndex(where: { $0.layout.width == layout.width }) {
                used = idle.remove(at: place)
                idleBytes -= layout.byteCount
            }
            return (used, removeSuperfluous())
        }
        _ = superfluous  // freed here, outside the lock
        guard let used else { return RowCache(layout) }
        used.forget()
        return used
    }

    /// Takes in a cache that nobody uses any more.
    func put(_ cache: RowCache) {
        let superfluous = lock.withLock {
            usedBytes -= cache.layout.byteCount
            idle.append(cache)
            idleBytes += cache.layout.byteCount
            return removeSuperfluous()
        }
        _ = superfluous  // freed here, outside the lock
    }

    /// Under the lock.
    private func removeSuperfluous() -> [RowCache] {
        let limit = min(byteLimit, totalByteLimit - usedBytes)
        var count = 0
        while idleBytes > limit, count < idle.count {
            idleBytes -= idle[count].layout.byteCount
            count += 1
        }
        defer { idle.removeFirst(count) }
        return Array(idle[..<count])
    }
}
