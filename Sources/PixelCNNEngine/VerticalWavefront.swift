// The order of the vertical stack's work: a row comes in pieces, which a second thread may compute while the row above
// is still being drawn; the wavefront says which pieces are due.

/// A piece of the vertical stack's work: some columns of one stage, which is a block or what stands before the blocks.
struct VerticalPiece {
    let row: Int
    let stage: Int
    let columns: Range<Int>
    var part = Part.whole

    enum Part {
        /// The whole stage.
        case whole
        /// The sums over the rows above in the stage's convolution, ahead of the rest.
        case above
        /// The stage, where those sums are there.
        case rest
    }
}

/// How far the pixels of an image are drawn: those before `pixel`, row by row, and the first columns of the row below.
struct DrawnPixels {
    let pixel: Int
    let columnsBelow: Int

    init(pixel: Int, columnsBelow: Int = 0) {
        self.pixel = pixel
        self.columnsBelow = columnsBelow
    }

    /// Complete columns of a row of `width`.
    fileprivate func columns(ofRow row: Int, width: Int) -> Int {
        switch row - pixel / width {
        case ..<0: width
        case 0: pixel % width
        case 1: columnsBelow
        default: 0
        }
    }
}

/// How far the vertical rows of one image have come, in order, as pieces. A column of a stage reads the one before it
/// some columns further right, so a row can follow the pixels of the row above, stage by stage, before that row is
/// complete: that is what a second thread does while the first one draws pixels. Two rows may be on their way: that
/// which follows the upper one of the rows that are drawn, and that which follows the lower one, further left.
struct VerticalWavefront {
    private let height: Int
    private let width: Int
    private let reaches: ConstantList<Int>  // the engine's, as the image's cache is
    private let reachOfAll: Int
    private let sumsAbove: ConstantList<Bool>
    private let rows: Int  // at a time

    private var row: Int
    /// Columns that each stage has: [2] × (stages), of `row` and of the one below.
    private var done: [Int]
    /// Likewise columns whose sums over the rows above are there.
    private var above: [Int]
    /// Which of both is in a sweep from the first stage to the last, and the stage that is next; nil between sweeps.
    private var sweep: (place: Int, stage: Int)?

    /// Begins with row `row`; those above are there.
    init(shape: NetworkShape, height: Int, width: Int, row: Int = 0) {
        self.height = height
        self.width = width
        self.row = row
        reaches = shape.stageReach
        reachOfAll = reaches.reduce(0, +)
        sumsAbove = shape.stageSumsAbove
        rows = shape.rowsMayOverlap ? 2 : 1
        done = Array(repeating: 0, count: 2 * reaches.count)
        above = Array(repeating: 0, count: 2 * reaches.count)  // apart: a shared array is copied when written
    }

    /// The pixels that the horizontal stack may take on: those before `ready`, whose columns every stage has.
    var ready: Int { row * width + done[reaches.count - 1] }

    /// Likewise of the row below that of `ready`, alone.
    var readyBelow: Int { (row + 1) * width + done[2 * reaches.count - 1] }

    /// The next piece that the drawn pixels allow, of `most` columns at most; nil where there is none. A sweep begins
    /// where the last stage can go `least` columns further, or to the row's end.
    mutating func nextPiece(drawn: DrawnPixels, least: Int, most: Int) -> VerticalPiece? {
        while row < height {
            guard let (place, stage) = sweep else {
                guard let place = (0..<rows).first(where: { canSweep($0, drawn, least) }) else { return nil }
                sweep = (place, 0)
                continue
            }
            let columns = done[place * reaches.count + stage]
            let last = min(reach(of: stage, place, drawn), columns + min(most, width))
            if last > columns {
                let part = above[place * reaches.count + stage] >= last ? VerticalPiece.Part.rest : .whole
                return VerticalPiece(row: row + place, stage: stage, columns: columns..<last, part: part)
            }
            endStage(place, stage)
        }
        return nil
    }

    /// Notes that a piece has been computed.
    mutating func complete(_ piece: VerticalPiece) {
        let place = (piece.row - row) * reaches.count + piece.stage
        if piece.part == .above {
            above[place] = piece.columns.upperBound
        } else {
            done[place] = piece.columns.upperBound
        }
    }

    /// The next sums over the rows above, which need not wait for pixels: of `most` columns at most, and of `least`, or
    /// to the row's end. There is room for those of one row: the lower row's take the places of the upper one's, in
    /// columns that the upper one has done with.
    func nextPieceAbove(least: Int, most: Int) -> VerticalPiece? {
        for place in 0..<rows where row + place > 0 && row + place < height {
            for stage in reaches.indices where sumsAbove[stage] {
                let i = place * reaches.count + stage
                let first = max(above[i], done[i] & ~1)
                let end = place == 0 || done[stage] == width ? width : done[stage] & ~1
                let last = min(end, first + most)
                if last - first >= least || (last == width && first < last) {
                    return VerticalPiece(row: row + place, stage: stage, columns: first..<last, part: .above)
                }
            }
        }
        return nil
    }

    /// The sums are no longer there.
    mutating func forgetSums() {
        for i in above.indices { above[i] = 0 }
    }

    private func canSweep(_ place: Int, _ drawn: DrawnPixels, _ least: Int) -> Bool {
        guard row + place < height else { return false }
        let input = columnsAbove(place, drawn)
        let last = place * reaches.count + reaches.count - 1
        return input == width || input - reachOfAll - done[last] >= least
    }

    /// Columns of the row above that are drawn.
    private func columnsAbove(_ place: Int, _ drawn: DrawnPixels) -> Int {
        let above = row + place - 1
        return above < 0 ? width : drawn.columns(ofRow: above, width: width)
    }

    /// The columns that a stage could have.
    private func reach(of stage: Int, _ place: Int, _ drawn: DrawnPixels) -> Int {
        let input = stage > 0 ? done[place * reaches.count + stage - 1] : columnsAbove(place, drawn)
        return input == width ? width : max(input - reaches[stage], 0)
    }

    private mutating func endStage(_ place: Int, _ stage: Int) {
        guard stage + 1 == reaches.count else {
            sweep = (place, stage + 1)
            return
        }
        sweep = nil
        guard done[stage] == width else { return }
        row += 1
        for stage in 0..<reaches.count {
            done[stage] = done[reaches.count + stage]
            done[reaches.count + stage] = 0
            above[stage] = above[reaches.count + stage]
            above[reaches.count + stage] = 0
        }
    }
}

extension NetworkShape {
    /// The block that a stage of the vertical stack is; nil for what stands before the blocks.
    func block(ofStage stage: Int) -> Int? {
        guard hasVerticalStem else { return stage }
        return stage == 0 ? nil : stage - 1
    }
}
