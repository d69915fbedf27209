// The first rows of an image as what they are to the network: all that the state after them depends on, apart from the
// model. Rows are hashed as a chain, each with the hash of those above it, so that an image that grows by a row pays
// for that row alone, and every shorter prefix has its hash, too.

/// Rows from the top of an image, with the hash of each number of them.
struct RowPrefix: Sendable {
    /// Hashes `row` (C, W) below rows whose hash is `above`.
    typealias Chain = @Sendable (_ above: UInt64, _ row: ArraySlice<UInt16>) -> UInt64

    let width: Int
    /// The class that the image is drawn for, where the model has classes.
    let label: Int?
    /// (rows, C, W).
    private(set) var values: [UInt16] = []
    /// (rows): of the rows up to and with each.
    private(set) var hashes: [UInt64] = []
    private let chain: Chain

    init(width: Int, label: Int? = nil, chain: @escaping Chain = RowPrefix.siphash) {
        (self.width, self.label, self.chain) = (width, label, chain)
    }

    var rows: Int { hashes.count }

    /// Adds a row of `image`, (C, H, W), which has `height` rows; it must be the next one.
    mutating func append(rowOf image: [UInt16], height: Int) {
        let (row, plane, start) = (rows, height * width, values.count)
        for c in 0..<image.count / plane {
            values.append(contentsOf: image[c * plane + row * width..<c * plane + (row + 1) * width])
        }
        hashes.append(chain(hashes.last ?? 0, values[start...]))
    }

    /// Values of the first `rows` rows, (rows, C, W).
    func values(rows: Int) -> ArraySlice<UInt16> { values.prefix(self.rows == 0 ? 0 : values.count / self.rows * rows) }

    /// Whether the two are rows of the same values, for images between which the network sees no difference.
    func isSame(as other: RowPrefix) -> Bool {
        hashes.last == other.hashes.last && width == other.width && label == other.label && values == other.values
    }

    /// SipHash under this process's own key: nobody outside can make rows that collide.
    static let siphash: Chain = { above, row in
        var hasher = Hasher()
        hasher.combine(above)
        row.withUnsafeBytes { hasher.combine(bytes: $0) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
