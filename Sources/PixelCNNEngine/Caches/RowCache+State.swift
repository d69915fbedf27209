// The state of an image that stands at a row's start: what of its row cache the rows below will read. That is the last
// p rows of each block's vertical input and three rows of pixels; nothing of the horizontal stack, whose left columns
// are zero there, and nothing of `toHorizontal`, which belongs to the row to come.

extension RowCache {
    /// Floats of a state.
    static func stateCount(geometry: Geometry, width: Int) -> Int {
        let pixelStride = (width + 2 * Geometry.inputReach) * geometry.channels
        let rowStride = (width + 2 * geometry.padding) * geometry.filters
        return Geometry.inputReach * pixelStride + geometry.blocks * geometry.padding * rowStride
    }

    /// Writes the state after `rows` rows. While a second thread computes the row that comes next, too: that is none of
    /// those which are read here.
    func save(to state: UnsafeMutablePointer<Float>, rows: Int) {
        forEachStateRow(after: rows) { row, offset, count in (state + offset).update(from: row, count: count) }
    }

    /// Takes in the state after `rows` rows, of an image of the same width.
    func restore(from state: UnsafePointer<Float>, rows: Int) {
        forEachStateRow(after: rows) { row, offset, count in row.update(from: state + offset, count: count) }
    }

    /// Takes over the state of another image of the same width that has `rows` rows.
    func copyState(of other: RowCache, rows: Int) {
        let count = Self.stateCount(geometry: geometry, width: width)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { state in
            guard let base = state.baseAddress else { return }
            other.save(to: base, rows: rows)
            restore(from: base, rows: rows)
        }
    }

    /// Each row of the state, with what lies beside it, and its place in the state. Rows above the image are left out:
    /// those of the layers are never read, those of the pixels are zero.
    private func forEachStateRow(
        after rows: Int, _ body: (UnsafeMutablePointer<Float>, _ offset: Int, _ count: Int) -> Void
    ) {
        let pixelStride = (width + 2 * Geometry.inputReach) * geometry.channels
        let rowStride = (width + 2 * geometry.padding) * geometry.filters
        for above in 1...Geometry.inputReach where above <= rows {
            body(pixels(row: rows - above, column: -Geometry.inputReach), (above - 1) * pixelStride, pixelStride)
        }
        let start = Geometry.inputReach * pixelStride
        for block in 0..<geometry.blocks {
            for above in stride(from: 1, through: min(geometry.padding, rows), by: 1) {
                body(
                    verticalInput(block: block, row: rows - above, column: -geometry.padding),
                    start + (block * geometry.padding + above - 1) * rowStride, rowStride)
            }
        }
    }
}
