// Pixels as PNG files hold them: interleaved channels of 8 bits. The network's arrays are planar; Grid converts.

/// A gray or RGB picture of 8 bits per channel.
package struct Picture: Sendable, Equatable {
    /// Columns.
    package var width: Int
    /// Rows.
    package var height: Int
    /// 1 for gray, 3 for RGB.
    package var channels: Int
    /// Levels 0 … 255, in order (height, width, channels).
    package var pixels: [UInt8]

    /// A picture of `pixels`, in order (height, width, channels).
    package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }
}
