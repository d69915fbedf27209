// One image on its way: where it stands, the rows it remembers, and the values it has so far.

/// An image's position, memory and result. Owned by one session; a second thread that helps with it owns its wavefront
/// meanwhile (see ``Assistance``).
final class ImageInFlight {
    let tag: Int
    let cache: RowCache
    var wavefront: VerticalWavefront
    private(set) var row = 0
    private(set) var column = 0

    private let task: ImageTask
    private let geometry: Geometry
    private var values: [UInt16]  // (C, H, W): drawn so far, or all given
    private var logProbabilities: [Float]  // (C, H, W); empty where values are drawn

    init(task: ImageTask, tag: Int, geometry: Geometry) {
        (self.task, self.tag, self.geometry) = (task, tag, geometry)
        cache = RowCache(geometry: geometry, width: task.width)
        wavefront = VerticalWavefront(geometry: geometry, height: task.height, width: task.width)
        let count = geometry.channels * task.height * task.width
        switch task.source {
        case .sample(_, _, _, let givenRows):
            values = Array(repeating: 0, count: count)
            logProbabilities = []
            copyRows(givenRows)
        case .score(let given):
            precondition(given.count == count && given.allSatisfy { $0 < geometry.colors })
            values = given
            logProbabilities = Array(repeating: 0, count: count)
        }
    }

    var width: Int { task.width }

    /// The image's class, where the model is conditional.
    var label: Int? { task.label }

    /// The number of the current pixel, row by row: as many are complete.
    var pixel: Int { row * task.width + column }

    /// Whether the image has advanced past its last pixel.
    var isComplete: Bool { row == task.height }

    /// Whether the current row is given as a whole, so that none of its values is drawn or scored.
    var isGivenRow: Bool { column == 0 && row < task.givenRowCount(channels: geometry.channels) }

    /// What the task asked for; complete once the image has advanced past its last pixel.
    var result: ImageResult {
        switch task.source {
        case .sample: .values(values)
        case .score: .logProbabilities(logProbabilities)
        }
    }

    /// The value of channel `c` at a place of the current row that is given or drawn already.
    func value(channel c: Int, column: Int) -> Int {
        Int(values[(c * task.height + row) * task.width + column])
    }

    /// Values of a row, C·W.
    var rowCount: Int { geometry.channels * task.width }

    /// The values of a row, (C, W).
    func values(row: Int) -> [UInt16] {
        (0..<geometry.channels).flatMap { c in
            let start = (c * task.height + row) * task.width
            return values[start..<start + task.width]
        }
    }

    /// The value of channel `c` at the current pixel, drawn or given; keeps what the task asks for.
    func chooseValue(channel c: Int, logits: UnsafePointer<Float>, with categorical: Categorical) -> Int {
        let place = (c * task.height + row) * task.width + column
        switch task.source {
        case .sample(let seed, let index, let parameters, _):
            let position = UInt64(pixel * geometry.channels + c)
            let u = Philox(seed: seed, index: index).uniform(at: position)
            let value = categorical.draw(logits, uniform: u, parameters: parameters)
            values[place] = UInt16(value)
            return value
        case .score:
            let value = Int(values[place])
            logProbabilities[place] = categorical.logProbability(logits, of: value)
            return value
        }
    }

    /// Keeps in_conv's output (F) of the current pixel: the vertical stack reads it from the next row on.
    func storeInputFeatures(_ features: UnsafePointer<Float>) {
        cache.verticalInput(block: 0, row: row, column: column).update(from: features, count: geometry.filters)
    }

    /// Goes on to the next pixel.
    func advance() {
        column += 1
        if column == task.width { advanceRow() }
    }

    /// Goes on to the next row's start.
    func advanceRow() {
        (row, column) = (row + 1, 0)
    }

    /// Takes in the first rows, (C, rows, W).
    private func copyRows(_ given: [UInt16]) {
        let rows = task.givenRowCount(channels: geometry.channels)
        precondition(
            rows <= task.height && given.count == geometry.channels * rows * task.width
                && given.allSatisfy { $0 < geometry.colors })
        for c in 0..<geometry.channels {
            let (source, destination) = (c * rows * task.width, c * task.height * task.width)
            values.replaceSubrange(
                destination..<destination + rows * task.width, with: given[source..<source + rows * task.width])
        }
    }
}
