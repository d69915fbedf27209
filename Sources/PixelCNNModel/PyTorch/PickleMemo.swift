// What a pickle stores for recall. Writers number from zero without a gap, so nearly all of it is an array; only other
// numbers, which a damaged or hostile pickle may have, take a dictionary.

struct PickleMemo {
    private var dense: [PickleValue] = []
    private var sparse: [Int: PickleValue] = [:]

    /// How many values are stored.
    var count: Int { dense.count + sparse.count }

    /// Bytes taken, an upper bound.
    var memory: Int { 2 * MemoryLayout<PickleValue>.stride * dense.count + Self.sparseCost * sparse.count }

    /// Bytes that a value by number takes in a dictionary, which is at worst three eighths full, and there twice while
    /// it grows.
    static let sparseCost = 144

    mutating func store(_ value: PickleValue, at index: Int) {
        if index < dense.count {
            dense[index] = value
        } else if index == dense.count, sparse.isEmpty {
            dense.append(value)
        } else {
            sparse[index] = value
        }
    }

    subscript(index: Int) -> PickleValue? { index < dense.count ? dense[index] : sparse[index] }
}
