// What images start with, as a request has it: files, which only whoever knows the model can judge.

/// An image of which pixels are kept, and the others drawn.
package struct GivenImage: Sendable, Equatable {
    /// Which pixels are kept.
    package enum Kept: Sendable, Equatable {
        /// The first rows, 0 … H.
        case rows(Int)
        /// A PNG or NPY file, (H, W): those that are not 0.
        case mask([UInt8])
    }

    /// A PNG or NPY file, (C, H, W).
    package var image: [UInt8]
    /// Which pixels are kept.
    package var kept: Kept

    /// An image as given.
    package init(image: [UInt8], kept: Kept) {
        (self.image, self.kept) = (image, kept)
    }

    /// Names of fields, for errors.
    package enum Field {
        /// The field as a whole.
        package static let given = "given"
        /// The image.
        package static let image = "given.image"
        /// How many rows are kept.
        package static let rows = "given.rows"
        /// The mask.
        package static let mask = "given.mask"
    }
}
