// The size that images are brought to on request.

/// Rows and columns.
package struct ImageSize: Sendable, Equatable {
    /// Rows.
    package var height: Int
    /// Columns.
    package var width: Int

    /// A size as given; both at least 1.
    package init(height: Int, width: Int) { (self.height, self.width) = (height, width) }
}
