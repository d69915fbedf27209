// The size that images are brought to on request.

/// Rows and columns.
public struct ImageSize: Sendable, Equatable {
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int

    /// A size as given; both at least 1.
    public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }
}
