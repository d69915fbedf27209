// Sampled images as files, in one place for the daemon and for the client, which puts parts together: whichever of them
// writes a file, its bytes are the same. One pass over the values.

/// Images of one shape, sampled together.
package struct SampledImages: Sendable {
    /// What a PNG says of its images: enough to sample them again.
    package struct Origin: Sendable {
        package var seed: UInt64
        /// The index of the first image.
        package var firstIndex: UInt64
        /// The classes, of as many images each; empty where there are none.
        package var labels: [Int]
        /// SHA-256 of the model's file.
        package var model: String
        /// The arithmetic that sampled them, `f32` or `i16`.
        package var precision: String
        /// The daemon that sampled them, with its version.
        package var software: String

        package init(
            seed: UInt64, firstIndex: UInt64, labels: [Int] = [], model: String, precision: String, version: String
        ) {
            self.seed = seed
            self.firstIndex = firstIndex
            self.labels = labels
            self.model = model
            self.precision = precision
            software = "pixelcnnd \(version)"
        }
    }

    /// The shape of one image, and the values that it can hold.
    package struct Shape: Sendable, Equatable {
        package var channels: Int
        /// Rows.
        package var height: Int
        /// Columns.
        package var width: Int
        /// Values lie below this.
        package var colors: Int
        package init(channels: Int, height: Int, width: Int, colors: Int) {
            self.channels = channels
            self.height = height
            self.width = width
            self.colors = colors
        }

        /// Values of one image.
        package var count: Int { channels * height * width }

        /// One byte per value where 256 values suffice, else two.
        package var elementType: NPYArray.ElementType { colors <= 256 ? .uint8 : .uint16 }
    }

    /// Values below `shape.colors`, (count, channels, height, width).
    package let values: [UInt16]
    /// The shape of each image.
    package let shape: Shape

    /// Images as given; `values` are whole images.
    package init(values: [UInt16], shape: Shape) {
        precondition(shape.count > 0 && values.count.isMultiple(of: shape.count), "whole images")
        self.values = values
        self.shape = shape
    }
    package var count: Int { values.count / shape.count }

    /// An NPY file, (count, channels, height, width).
    package func npy() -> [UInt8] {
        Self.npyHeader(count: count, shape: shape) + NPYArray.bytes(of: values, type: shape.elementType)
    }

    /// The beginning of an NPY file of `count` images; `NPYArray.bytes(of:type:)` of all values follow.
    package static func npyHeader(count: Int, shape: Shape) -> [UInt8] {
        NPYArray.header(shape.elementType, shape: [count, shape.channels, shape.height, shape.width])
    }

    /// An NPY file of one image, (channels, height, width).
    package static func npy(image values: [UInt16], shape: Shape) -> [UInt8] {
        NPYArray.header(shape.elementType, shape: [shape.channels, shape.height, shape.width])
            + NPYArray.bytes(of: values, type: shape.elementType)
    }

    /// A PNG of all images in a grid, which says where they come from.
    ///
    /// - Parameter columns: images in a row, at least 1; ⌈√count⌉ where nil.
    /// - Throws: `GridError` where a PNG cannot show such images, `PNGError` where memory runs out.
    package func png(columns: Int? = nil, origin: Origin) throws -> [UInt8] {
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
