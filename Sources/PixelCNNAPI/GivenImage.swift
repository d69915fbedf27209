// What images start with, as a request has it: files, which only whoever knows the model can judge.

/// An image of which pixels are kept, and the others drawn.
public struct GivenImage: Sendable, Equatable {
    /// Which pixels are kept.
    public enum Kept: Sendable, Equatable {
        /// The first rows, 0 … H.
        case rows(Int)
        /// A PNG or NPY file, (H, W): those that are not 0.
        case mask([UInt8])
    }

    /// A PNG or NPY file, (C, H, W).
    public var image: [UInt8]
    /// Which pixels are kept.
    public var kept: Kept

    /// An image as given.
    public init(image: [UInt8], kept: Kept) {
        (self.image, self.kept) = (image, kept)
    }

    /// Names of fields, for errors.
    public enum Field {
        /// The field as a whole.
        public static let given = "given"
        /// The image.
        public static let image = "given.image"
        /// How many rows are kept.
        public static let rows = "given.rows"
        /// The mask.
        public static let mask = "given.mask"
    }
}
