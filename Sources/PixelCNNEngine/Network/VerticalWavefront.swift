// How far the vertical stack has come in the row that it computes. A column of a block reads the block before it up to
// p columns further right, so a row can follow the pixels of the row above, block by block, before that row is
// complete: that is what a second thread does while the first draws pixels.

/// A piece of the vertical stack's work: some columns of one block.
struct VerticalPiece {
    let row: Int
    let block: Int
    let columns: Range<Int>
}

/// The vertical rows of one image, in order, as pieces. Counts pixels and columns from the image's first on, row by
/// row.
struct VerticalWavefront {
    private let height: Int
    private let width: Int
    private let padding: Int

    private var row: Int
    private var done: [Int]  // (L): columns of `row` that each block has
    /// The block that is next in a sweep from the first block to the last; nil between sweeps.
    private var sweep: Int?

    /// Begins with row `row`; those above are there.
    init(geometry: Geometry, height: Int, width: Int, row: Int = 0) {
        (self.height, self.width, padding, self.row) = (height, width, geometry.padding, row)
        done = Array(repeating: 0, count: geometry.blocks)
    }

    /// Columns that every block has: the pixels that the horizontal stack may take on.
    var ready: Int { row * width + done[done.count - 1] }

    /// The next piece that `drawn` pixels allow, of `most` columns at most; nil where there is none. A sweep begins
    /// where the first block can go `least` columns further, or to the row's end.
    mutating func nextPiece(drawn: Int, least: Int, most: Int) -> VerticalPiece? {
        while row < height {
            guard let block = sweep else {
                let reach = reach(of: 0, drawn)
                guard reach == width || reach - done[0] >= least else { return nil }
                sweep = 0
                continue
            }
            let last = min(reach(of: block, drawn), done[block] + min(most, width))
            if last > done[block] { return VerticalPiece(row: row, block: block, columns: done[block]..<last) }
            endBlock(block)
        }
        return nil
    }

    /// Notes that a piece has been computed.
    mutating func complete(_ piece: VerticalPiece) {
        done[piece.block] = piece.columns.upperBound
    }

    /// The columns of `row` that block `block` could have.
    private func reach(of block: Int, _ drawn: Int) -> Int {
        let input =
            if block > 0 { done[block - 1] } else if row == 0 { width } else { min(drawn - (row - 1) * width, width) }
        return input == width ? width : max(input - padding, 0)
    }

    private mutating func endBlock(_ block: Int) {
        if block + 1 < done.count {
            sweep = block + 1
        } else {
            sweep = nil
            if done[block] == width {
                row += 1
                for block in done.indices { done[block] = 0 }
            }
        }
    }
}
