// A row that a session tells of when all its values are there: who streams rows copies them out, who only counts does
// not, so that a row that nobody reads costs a call and no memory.

/// A row of an image in flight, complete: drawn, given or scored. Valid during the call that hands it out.
package struct CompletedRow {
    /// The row's number in its image.
    package let row: Int
    /// How many values it has, C·W.
    package var count: Int { image.rowCount }
    /// The values, (C, W); a copy.
    package var values: [UInt16] { image.values(row: row) }

    let image: ImageInFlight
}
