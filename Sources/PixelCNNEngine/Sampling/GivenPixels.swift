// Pixels that an image starts with, and of which the rest is drawn: whole rows from the top, or a mask. Made once for a
// request and shared by its images: the arrays are not copied until an image writes its own values between the given
// ones.

/// Which pixels of an image are given, and their values.
package struct GivenPixels: Sendable, Equatable {
    /// Which pixels are kept.
    package enum Kept: Sendable, Equatable {
        /// The first rows, 0 … H.
        case rows(Int)
        /// (H, W): those that are true.
        case mask([Bool])
    }

    /// Rows of the image, H.
    package let height: Int
    /// Columns of the image, W.
    package let width: Int
    /// Values 0 … d − 1 of the image, (C, H, W); those that are not kept change nothing.
    package let values: [UInt16]
    /// Which pixels are kept.
    package let kept: Kept

    /// Rows from the top that are kept as a whole.
    let firstRows: Int
    /// The row from which on all are kept as a whole: nothing of them needs to be computed.
    let drawnRows: Int

    /// Given pixels of an image of `height` × `width` pixels; `values` are C·H·W, a mask is H·W.
    package init(height: Int, width: Int, values: [UInt16], kept: Kept) {
        precondition(height > 0 && width > 0 && !values.isEmpty && values.count.isMultiple(of: height * width))
        (self.height, self.width, self.values, self.kept) = (height, width, values, kept)
        switch kept {
        case .rows(let rows):
            precondition((0...height).contains(rows))
            (firstRows, drawnRows) = (rows, rows == height ? 0 : height)
        case .mask(let mask):
            precondition(mask.count == height * width)
            func isWhole(_ row: Int) -> Bool { mask[row * width..<(row + 1) * width].allSatisfy { $0 } }
            let isRowWhole = (0..<height).map(isWhole)
            firstRows = isRowWhole.firstIndex(of: false) ?? height
            drawnRows = isRowWhole.lastIndex(of: false).map { $0 + 1 } ?? 0
        }
    }

    /// How many pixels are kept.
    package var keptPixels: Int {
        switch kept {
        case .rows(let rows): rows * width
        case .mask(let mask): mask.count { $0 }
        }
    }

    /// (H, W), or empty where no pixel but those of the first rows is kept.
    var mask: [Bool] {
        if case .mask(let mask) = kept { mask } else { [] }
    }
}
