// What one image in flight remembers of the rows above the pixel being computed. Only the last rows of each layer are
// ever read again, so the size does not depend on the image's height: about 1 MB for the published network at 32
// columns.

/// One image's activation rows. Owned by one session at a time.
final class RowCache {
    let width: Int
    let geometry: Geometry

    /// Normalised pixels of the current row and the three above: (4, W + 6, C), row r at r % 4, zero beside the image.
    private let pixels: FloatBuffer
    /// The vertical input of each block, current row and p above: (L, p + 1, W + 2p, F), row r at r % (p + 1), zero
    /// beside the image. Block 0's is `in_conv`'s output, which the horizontal stack finishes pixel by pixel.
    private let rows: FloatBuffer
    /// `v1toh` and `v2toh` of the current row: (L, W, 2 · half), the initial accumulators of the horizontal stack.
    private let toHorizontal: FloatBuffer

    private static let pixelRows = Geometry.inputReach + 1
    private var pixelStride: Int { (width + 2 * Geometry.inputReach) * geometry.channels }
    private var rowStride: Int { (width + 2 * geometry.padding) * geometry.filters }

    init(geometry: Geometry, width: Int) {
        self.width = width
        self.geometry = geometry
        let counts = Self.counts(geometry: geometry, width: width)
        pixels = FloatBuffer(count: counts.pixels)
        rows = FloatBuffer(count: counts.rows)
        toHorizontal = FloatBuffer(count: counts.toHorizontal)
    }

    /// Bytes that an image of `width` columns takes.
    static func byteCount(geometry: Geometry, width: Int) -> Int {
        let counts = counts(geometry: geometry, width: width)
        return (counts.pixels + counts.rows + counts.toHorizontal) * MemoryLayout<Float>.stride
    }

    var byteCount: Int { Self.byteCount(geometry: geometry, width: width) }

    /// Floats of each buffer.
    private static func counts(geometry: Geometry, width: Int) -> (pixels: Int, rows: Int, toHorizontal: Int) {
        (
            pixels: pixelRows * (width + 2 * Geometry.inputReach) * geometry.channels,
            rows: geometry.blocks * geometry.keptRows * (width + 2 * geometry.padding) * geometry.filters,
            toHorizontal: geometry.blocks * width * 2 * geometry.half
        )
    }

    /// Normalised pixels of row `row` from `column` on, channels innermost; columns −3 … W + 2 exist.
    func pixels(row: Int, column: Int) -> UnsafeMutablePointer<Float> {
        let slot = (row + Self.pixelRows) % Self.pixelRows
        return pixels.base + slot * pixelStride + (column + Geometry.inputReach) * geometry.channels
    }

    /// The pixels that in_conv sees: three rows above, seven wide, and three pixels left, (``Geometry/patchContext``).
    func gatherPatch(row: Int, column: Int, into patch: UnsafeMutablePointer<Float>) {
        let (reach, channels) = (Geometry.inputReach, geometry.channels)
        var next = patch
        for above in stride(from: reach, through: 1, by: -1) {
            next.update(from: pixels(row: row - above, column: column - reach), count: 7 * channels)
            next += 7 * channels
        }
        next.update(from: pixels(row: row, column: column - reach), count: reach * channels)
    }

    /// Block `block`'s vertical input at row `row` from `column` on, (column, F); columns −p … W + p − 1 exist.
    func verticalInput(block: Int, row: Int, column: Int) -> UnsafeMutablePointer<Float> {
        rows.base + (block * geometry.keptRows + row % geometry.keptRows) * rowStride
            + (column + geometry.padding) * geometry.filters
    }

    /// Block `block`'s vertical share of the horizontal pre-activations at `column`: tanh half, sigmoid half.
    func toHorizontal(block: Int, column: Int) -> UnsafeMutablePointer<Float> {
        toHorizontal.base + (block * width + column) * 2 * geometry.half
    }

    /// Forgets the image whose rows these were. What lies beside an image is zero and stays so; rows of the layers are
    /// not read before they are written.
    func forget() { pixels.clear() }
}
