// Drawn images as files, in one place for the daemon and for the client, which puts parts together: whichever of them
// writes a file, its bytes are the same. One pass over the values.

/// Images of one shape, drawn together.
public struct DrawnImages: Sendable {
    /// What a PNG says of its images: enough to draw them again.
    public struct Origin: Sendable {
        /// The seed.
        public var seed: UInt64
        /// The index of the first image.
        public var firstIndex: UInt64
        /// The classes, of as many images each; empty where there are none.
        public var labels: [Int]
        /// SHA-256 of the model's file.
        public var model: String
        /// The arithmetic that drew them, `f32` or `bf16`.
        public var precision: String
        /// The program that drew them, with its version.
        public var software: String

        /// An origin as given.
        public init(
            seed: UInt64, firstIndex: UInt64, labels: [Int] = [], model: String, precision: String, software: String
        ) {
            (self.seed, self.firstIndex, self.labels) = (seed, firstIndex, labels)
            (self.model, self.precision, self.software) = (model, precision, software)
        }
    }

    /// The shape of one image, and the values that it can hold.
    public struct Shape: Sendable, Equatable {
        /// Channels.
        public var channels: Int
        /// Rows.
        public var height: Int
        /// Columns.
        public var width: Int
        /// Values lie below this.
        public var colors: Int

        /// A shape as given.
        public init(channels: Int, height: Int, width: Int, colors: Int) {
            (self.channels, self.height, self.width, self.colors) = (channels, height, width, colors)
        }

        /// Values of one image.
        public var count: Int { channels * height * width }

        /// One byte a value where 256 values suffice, else two.
        public var elementType: NPYArray.ElementType { colors <= 256 ? .uint8 : .uint16 }
    }

    /// Values below `shape.colors`, (count, channels, height, width).
    public let values: [UInt16]
    /// The shape of each image.
    public let shape: Shape

    /// Images as given; `values` are whole images.
    public init(values: [UInt16], shape: Shape) {
        precondition(shape.count > 0 && values.count.isMultiple(of: shape.count), "whole images")
        (self.values, self.shape) = (values, shape)
    }

    /// Images.
    public var count: Int { values.count / shape.count }

    /// An NPY file, (count, channels, height, width).
    public func npy() -> [UInt8] {
        Self.npyHeader(count: count, shape: shape) + NPYArray.bytes(of: values, type: shape.elementType)
    }

    /// The beginning of an NPY file of `count` images; `NPYArray.bytes(of:type:)` of all values follow.
    public static func npyHeader(count: Int, shape: Shape) -> [UInt8] {
        NPYArray.header(shape.elementType, shape: [count, shape.channels, shape.height, shape.width])
    }

    /// An NPY file of one image, (channels, height, width).
    public static func npy(image values: [UInt16], shape: Shape) -> [UInt8] {
        NPYArray.header(shape.elementType, shape: [shape.channels, shape.height, shape.width])
            + NPYArray.bytes(of: values, type: shape.elementType)
    }

    /// A PNG of all images in a grid, which says where they come from.
    ///
    /// - Parameter columns: images in a row, at least 1; ⌈√count⌉ where nil.
    /// - Throws: `GridError` where a PNG cannot show such images, `PNGError` where memory runs out.
    public func png(columns: Int? = nil, origin: Origin) throws -> [UInt8] {
        let picture = try Grid.picture(
            values: values, count: count, channels: shape.channels, height: shape.height, width: shape.width,
            colors: shape.colors, columns: columns)
        var text = [
            (key: "PixelCNN-Seed", value: "\(origin.seed)"),
            (key: "PixelCNN-First-Index", value: "\(origin.firstIndex)"),
            (key: "PixelCNN-Model", value: origin.model),
            (key: "PixelCNN-Precision", value: origin.precision),
            (key: "Software", value: origin.software),
        ]
        if !origin.labels.isEmpty {
            let labels = origin.labels.map { "\($0)" }.joined(separator: " ")
            text.insert((key: "PixelCNN-Label", value: labels), at: 2)
        }
        return try PNG.encode(picture, text: text)
    }
}
