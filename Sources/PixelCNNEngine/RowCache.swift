// What one image in flight remembers of the rows above the pixel that is computed. Only the last rows of each layer are
// ever read again, so the size does not depend on the image's height: about 1 MB for the published network at 32
// columns.
//
// Who touches a row cache: the vertical stack and prefill write rows and the horizontal stack's accumulators; the
// session and prefill write pixels and `in_conv`'s features; the horizontal stack reads. All of them run on the
// session's thread, except while an image is lent to the session's helper thread: its vertical stack then writes the
// next row, and the horizontal stack's left taps are read there. Nobody else sees a pointer: the prefix cache copies
// checkpoints in and out, the pool holds caches without an image.

import Foundation
import PixelCNNKernels

/// One image's activation rows. Owned by one session at a time.
final class RowCache {
    let layout: Layout

    /// Normalised pixels of the current row and the three above: (4, W + 6, C), row r at r % 4, zero beside the image.
    private let pixels: FloatBuffer
    /// The vertical input of each block, current row and p above: (L, p + 1, W + 2p, F), row r at r % (p + 1), zero
    /// beside the image. Block 0's is `in_conv`'s output, which the horizontal stack finishes pixel by pixel.
    private let rows: FloatBuffer
    /// `v1toh` and `v2toh` of the current row: (L, W, 2 · room), the initial accumulators of the horizontal stack.
    private let toHorizontal: FloatBuffer

    init(_ layout: Layout) {
        self.layout = layout
        pixels = FloatBuffer(count: layout.pixelCount)
        rows = FloatBuffer(count: layout.rowCount)
        toHorizontal = FloatBuffer(count: layout.toHorizontalCount)
    }

    /// Where things are in a row cache and in a checkpoint of it, in floats.
    struct Layout: Sendable {
        let sizes: NetworkSizes
        let width: Int

        fileprivate let pixelStride: Int  // of a row of pixels: (W + 6, C)
        fileprivate let rowStride: Int  // of a block's row: (W + 2p, F)
        fileprivate let accumulators: Int  // of a column's tanh half and sigmoid half: 2 · room

        fileprivate static let pixelRows = NetworkSizes.inputReach + 1
        fileprivate let keptRows: Int  // of each block: the current one and the p above

        init(_ sizes: NetworkSizes, width: Int) {
            self.sizes = sizes
            self.width = width
            pixelStride = (width + 2 * NetworkSizes.inputReach) * sizes.channels
            rowStride = (width + 2 * sizes.padding) * sizes.filters
            accumulators = 2 * sizes.featureRoom
            keptRows = sizes.padding + 1
        }

        fileprivate var pixelCount: Int { Self.pixelRows * pixelStride }
        fileprivate var rowCount: Int { sizes.blocks * keptRows * rowStride }
        fileprivate var toHorizontalCount: Int { sizes.blocks * width * accumulators }

        /// Bytes of a row cache.
        var byteCount: Int { (pixelCount + rowCount + toHorizontalCount) * MemoryLayout<Float>.stride }

        /// Floats of a checkpoint: three rows of pixels, and p rows of each block.
        var checkpointCount: Int {
            NetworkSizes.inputReach * pixelStride + sizes.blocks * sizes.padding * rowStride
        }

        /// Each row of the checkpoint after `rows` rows, with what lies beside it: whether it is one of pixels, its
        /// place in that buffer, its place in the checkpoint, and its length. Rows above the image are left out: those
        /// of the layers are never read, those of the pixels are zero.
        fileprivate func forEachCheckpointRow(
            after rows: Int, _ body: (_ isPixels: Bool, _ place: Int, _ offset: Int, _ count: Int) -> Void
        ) {
            let reach = NetworkSizes.inputReach
            for above in 1...reach where above <= rows {
                body(true, pixels(row: rows - above, column: -reach), (above - 1) * pixelStride, pixelStride)
            }
            for block in 0..<sizes.blocks {
                for above in stride(from: 1, through: min(sizes.padding, rows), by: 1) {
                    body(
                        false, verticalInput(block: block, row: rows - above, column: -sizes.padding),
                        reach * pixelStride + (block * sizes.padding + above - 1) * rowStride, rowStride)
                }
            }
        }

        fileprivate func pixels(row: Int, column: Int) -> Int {
            (row + Self.pixelRows) % Self.pixelRows * pixelStride + (column + NetworkSizes.inputReach) * sizes.channels
        }

        fileprivate func verticalInput(block: Int, row: Int, column: Int) -> Int {
            (block * keptRows + row % keptRows) * rowStride + (column + sizes.padding) * sizes.filters
        }

        fileprivate func toHorizontal(block: Int, column: Int) -> Int { (block * width + column) * accumulators }
    }

    // MARK: - Pixels

    /// Normalised pixels of row `row` from `column` on, channels innermost; columns −3 … W + 2 exist.
    func pixels(row: Int, column: Int) -> UnsafeMutablePointer<Float> {
        pixels.base + layout.pixels(row: row, column: column)
    }

    /// The pixels that in_conv sees: three rows above, seven wide, and three pixels left (`patchContext`).
    func gatherPatch(row: Int, column: Int, into patch: UnsafeMutablePointer<Float>) {
        let (reach, channels) = (NetworkSizes.inputReach, layout.sizes.channels)
        let wide = (2 * reach + 1) * channels
        var next = patch
        for above in stride(from: reach, through: 1, by: -1) {
            next.update(from: pixels(row: row - above, column: column - reach), count: wide)
            next += wide
        }
        next.update(from: pixels(row: row, column: column - reach), count: reach * channels)
    }

    // MARK: - Layers

    /// Block `block`'s vertical input at row `row` from `column` on, (column, F); columns −p … W + p − 1 exist.
    func verticalInput(block: Int, row: Int, column: Int) -> Rows {
        Rows(
            base: rows.base + layout.verticalInput(block: block, row: row, column: column), stride: layout.sizes.filters
        )
    }

    /// Block `block`'s vertical share of the horizontal pre-activations from `column` on: tanh half, sigmoid half.
    func toHorizontal(block: Int, column: Int) -> Rows {
        Rows(
            base: toHorizontal.base + layout.toHorizontal(block: block, column: column), stride: layout.accumulators)
    }

    /// Forgets the image whose rows these were. What lies beside an image is zero and stays so; rows of the layers are
    /// not read before they are written.
    func forget() { pixels.clear() }

    // MARK: - Checkpoints

    // What the rows below an image's first `rows` rows will read of its cache: the last p rows of each block's vertical
    // input and three rows of pixels. Nothing of the horizontal stack, whose left columns are zero at a row's start,
    // and nothing of `toHorizontal`, which belongs to the row to come.

    /// Writes the checkpoint after `rows` rows. While a helper thread computes the row that comes next, too: that is
    /// none of those which are read here.
    func writeCheckpoint(to checkpoint: UnsafeMutablePointer<Float>, rows: Int) {
        layout.forEachCheckpointRow(after: rows) { isPixels, place, offset, count in
            (checkpoint + offset).update(from: base(isPixels) + place, count: count)
        }
    }

    /// Takes in the checkpoint after `rows` rows of an image of the same width.
    func restore(from checkpoint: UnsafePointer<Float>, rows: Int) {
        layout.forEachCheckpointRow(after: rows) { isPixels, place, offset, count in
            (base(isPixels) + place).update(from: checkpoint + offset, count: count)
        }
    }

    /// Goes on where another image of the same width stands after `rows` rows.
    func copyCheckpoint(of other: RowCache, rows: Int) {
        layout.forEachCheckpointRow(after: rows) { isPixels, place, _, count in
            (base(isPixels) + place).update(from: other.base(isPixels) + place, count: count)
        }
    }

    private func base(_ isPixels: Bool) -> UnsafeMutablePointer<Float> { isPixels ? pixels.base : rows.base }
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
