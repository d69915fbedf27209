// One image on its way: where it stands, the rows it remembers, and the values it has so far.

/// An image's position, memory and result. Owned by one session.
final class ImageInFlight {
    let tag: Int
    let cache: RowCache
    private(set) var row = 0
    private(set) var column = 0

    private let task: ImageTask
    private let geometry: Geometry
    private var values: [UInt16]  // (C, H, W): drawn so far, or all given
    private var logProbabilities: [Float]  // (C, H, W); empty where values are drawn

    init(task: ImageTask, tag: Int, geometry: Geometry) {
        (self.task, self.tag, self.geometry) = (task, tag, geometry)
        cache = RowCache(geometry: geometry, width: task.width)
        let count = geometry.channels * task.height * task.width
        switch task.source {
        case .sample:
            values = Array(repeating: 0, count: count)
            logProbabilities = []
        case .score(let given):
            precondition(given.count == count && given.allSatisfy { $0 < geometry.colors })
            values = given
            logProbabilities = Array(repeating: 0, count: count)
        }
    }

    /// What the task asked for; complete once the image has advanced past its last pixel.
    var result: ImageResult {
        switch task.source {
        case .sample: .values(values)
        case .score: .logProbabilities(logProbabilities)
        }
    }

    /// The value of channel `c` at the current pixel, drawn or given; keeps what the task asks for.
    func chooseValue(channel c: Int, logits: UnsafePointer<Float>, with categorical: Categorical) -> Int {
        let place = (c * task.height + row) * task.width + column
        switch task.source {
        case .sample(let seed, let index, let parameters):
            let position = UInt64((row * task.width + column) * geometry.channels + c)
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

    /// Goes on to the next pixel; true where there is none.
    func advance() -> Bool {
        column += 1
        if column == task.width { (row, column) = (row + 1, 0) }
        return row == task.height
    }
}
