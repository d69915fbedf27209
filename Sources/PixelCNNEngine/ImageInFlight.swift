// One image on its way: where it stands, the rows it remembers, and the values it has so far.

import PixelCNNKernels

/// An image's position, memory and result. Owned by one session; a second thread that helps with it owns its wavefront
/// meanwhile (see ``HelperThread``).
final class ImageInFlight {
    let tag: Int
    let cache: RowCache
    var wavefront: VerticalWavefront
    private(set) var row = 0
    private(set) var column = 0
    /// Columns of the row below that are complete, too.
    private(set) var columnsBelow = 0
    /// Whether its given rows have been looked up.
    var isStarted = false
    /// The rows that are known: those that are given, and others as ``extendPrefix()`` adds them.
    private(set) var prefix: RowPrefix

    /// Where its columns are computed side by side: what those to come will see of the horizontal stack.
    private(set) var leftColumns: FloatBuffer?
    /// Whether both stacks go through such a row block by block, and have not come to the last one.
    var isBetweenBlocks = false

    private let task: ImageTask
    private let shape: NetworkShape
    private var values: [UInt16]  // (C, H, W): drawn so far, or all given
    private var logProbabilities: [Float]  // (C, H, W); empty where nobody wants them
    private var proposal: [Float] = []  // (C, H, W) under what is drawn from; empty where that is the model's own
    private let mask: [Bool]  // (H, W): pixels that are given; empty where none are but whole first rows
    private let prefillRows: Int  // given as a whole, from the top
    private let drawnRows: Int  // all pixels from this row on are given

    /// An image at its first pixel; `chain` hashes its rows where somebody wants to know them by.
    init(task: ImageTask, tag: Int, cache: RowCache, chain: RowPrefix.Chain?) {
        self.task = task
        self.tag = tag
        self.cache = cache
        shape = cache.layout.shape
        wavefront = VerticalWavefront(shape: shape, height: task.height, width: task.width)
        let count = shape.channels * task.height * task.width
        switch task.source {
        case .sample(_, _, let parameters, _):
            values = task.given?.values ?? Array(repeating: 0, count: count)
            logProbabilities = task.measuresDraws ? Array(repeating: 0, count: count) : []
            if task.measuresDraws, parameters.changeDistribution(of: shape.colors) { proposal = logProbabilities }
        case .score(let given):
            values = given
            logProbabilities = Array(repeating: 0, count: count)
        }
        let colors = cache.layout.shape.colors
        precondition(values.count == count && values.allSatisfy { $0 < colors })
        if let given = task.given { precondition((given.height, given.width) == (task.height, task.width)) }
        mask = task.given?.mask ?? []
        prefillRows = task.given?.firstRows ?? 0
        drawnRows = task.given?.drawnRows ?? task.height
        prefix = RowPrefix(width: task.width, label: task.label, chain: chain ?? RowPrefix.siphash)
        for _ in 0..<prefillRows { prefix.append(rowOf: values, height: task.height) }
    }

    var width: Int { task.width }

    /// The image's class, where the model is conditional.
    var label: Int? { task.label }

    /// The number of the current pixel, row by row: as many are complete.
    var pixel: Int { number(of: place) }

    /// Whether the image has advanced past its last pixel.
    var isComplete: Bool { row == task.height }

    /// Whether the current row is given as a whole, so that none of its values is drawn or scored.
    var isPrefillRow: Bool { column == 0 && row < prefillRows }

    /// Where it stands.
    var place: Place { Place(row: row, column: column) }

    /// Where it stands in the row below, which may follow the current one, so far left of it that no pixel of either
    /// sees a value that is not there yet, or no longer there. Nil where the row below is too close, or not drawn.
    var placeBelow: Place? {
        guard row + 1 < drawnRows, column - columnsBelow > shape.rings[0].pad else { return nil }
        return Place(row: row + 1, column: columnsBelow)
    }

    /// The number of a pixel, row by row.
    func number(of place: Place) -> Int { place.row * task.width + place.column }

    /// Whether a pixel is given.
    func isGiven(_ place: Place) -> Bool { !mask.isEmpty && mask[number(of: place)] }

    /// Whether nothing is left to draw, though rows may be left.
    var isRestGiven: Bool { row >= drawnRows && !isComplete }

    /// Whether the image stands below the last of its given rows.
    var isBelowPrefill: Bool { column == 0 && row == prefillRows }

    /// Whether values are drawn.
    var isDrawn: Bool { if case .sample = task.source { true } else { false } }

    /// What the task is for; complete once the image has advanced past its last pixel.
    var result: ImageResult {
        switch task.source {
        case .sample:
            task.measuresDraws
                ? .measuredValues(values, DrawLogProbabilities(model: logProbabilities, proposal: proposal))
                : .values(values)
        case .score: .logProbabilities(logProbabilities)
        }
    }

    /// The value of channel `c` at a place of the current row that is given or drawn already.
    func value(channel c: Int, column: Int) -> Int {
        Int(values[(c * task.height + row) * task.width + column])
    }

    /// Values of a row, C·W.
    var rowCount: Int { shape.channels * task.width }

    /// The values of a row, (C, W).
    func values(row: Int) -> [UInt16] {
        (0..<shape.channels).flatMap { c in
            let start = (c * task.height + row) * task.width
            return values[start..<start + task.width]
        }
    }

    /// The value of channel `c` at a pixel, drawn or given; keeps what the task is for.
    func chooseValue(
        channel c: Int, at pixel: Place, logits: UnsafePointer<Float>, with categorical: Categorical
    ) -> Int {
        let place = (c * task.height + pixel.row) * task.width + pixel.column
        if isGiven(pixel) { return Int(values[place]) }
        switch task.source {
        case .sample(let seed, let index, let parameters, _):
            let position = UInt64(number(of: pixel) * shape.channels + c)
            let u = Philox(seed: seed, index: index).uniform(at: position)
            let value = categorical.draw(logits, uniform: u, parameters: parameters)
            values[place] = UInt16(value)
            if !proposal.isEmpty { proposal[place] = categorical.logProbabilityOfDraw(value, logits, parameters) }
            if !logProbabilities.isEmpty { logProbabilities[place] = categorical.logProbability(logits, of: value) }
            return value
        case .score:
            score(channel: c, column: pixel.column, logits: logits, with: categorical)
            return Int(values[place])
        }
    }

    /// Scores the value of channel `c` in a column of the current row.
    func score(channel c: Int, column: Int, logits: UnsafePointer<Float>, with categorical: Categorical) {
        let place = (c * task.height + row) * task.width + column
        logProbabilities[place] = categorical.logProbability(logits, of: Int(values[place]))
    }

    /// Keeps the first features (F) of a pixel: the vertical stack reads them from the next row on.
    func storeInputFeatures(_ features: UnsafePointer<Float>, of pixel: Place) {
        let place = cache.ring(shape.blockRings[0].input, row: pixel.row, column: pixel.column)
        place.base.update(from: features, count: shape.features.channels)
    }

    /// From now on the image moves by columns of a row, whose values are known.
    func beginColumns() { leftColumns = FloatBuffer(count: shape.columnCount) }

    /// Goes on by so many pixels of the row; from its end, to the first pixel below that is not complete.
    func advance(by count: Int = 1) {
        column += count
        if column == task.width { advanceRow() }
    }

    /// Goes on to the next row.
    func advanceRow() {
        row += 1
        column = columnsBelow
        columnsBelow = 0
    }

    /// Goes on by a pixel of the row below.
    func advanceBelow() { columnsBelow += 1 }

    /// Adds the row above to ``prefix``, where it is not there yet.
    func extendPrefix() {
        if prefix.rows < row { prefix.append(rowOf: values, height: task.height) }
    }

    /// Goes on below the first `rows` rows, the checkpoint after which is in the cache.
    func resume(belowRows rows: Int) {
        row = rows
        column = 0
        wavefront = VerticalWavefront(shape: shape, height: task.height, width: task.width, row: rows)
    }
}

/// A pixel of an image.
struct Place {
    let row: Int
    let column: Int
}
