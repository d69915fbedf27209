// An image's values in memory, channels last. Padding is memory around the image that stays zero, so a convolution is a
// product whose operand is read a few positions further on.

/// Where an image's values (H, W, channels) lie: position (row, column) begins at base + row · rowStride +
/// column · stride.
struct Grid {
    let base: UnsafeMutablePointer<Float>
    let stride: Int
    let rowStride: Int

    /// The grid seen from another position and channel.
    func shifted(rows: Int = 0, columns: Int = 0, channels: Int = 0) -> Grid {
        Grid(base: base + rows * rowStride + columns * stride + channels, stride: stride, rowStride: rowStride)
    }

    /// Row `row` of the image.
    func row(_ row: Int) -> UnsafeMutablePointer<Float> { base + row * rowStride }
}

extension Arena {
    /// An image's (H, W, stride) zeros, with rows and columns of padding around it.
    func grid(
        _ sizes: Sizes, stride: Int, top: Int = 0, bottom: Int = 0, left: Int = 0, right: Int = 0
    ) -> Grid {
        let rowStride = (left + sizes.width + right) * stride
        let base = floats((top + sizes.height + bottom) * rowStride)
        return Grid(base: base + top * rowStride + left * stride, stride: stride, rowStride: rowStride)
    }
}
