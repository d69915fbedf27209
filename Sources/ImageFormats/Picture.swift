// Pixels as PNG files hold them: interleaved channels of 8 bits. The network's arrays are planar; Grid converts.

/// A gray or RGB picture of 8 bits a channel.
public struct Picture: Sendable, Equatable {
    /// Columns.
    public var width: Int
    /// Rows.
    public var height: Int
    /// 1 for gray, 3 for RGB.
    public var channels: Int
    /// Levels 0 … 255, in order (height, width, channels).
    public var pixels: [UInt8]

    /// A picture of `pixels`, in order (height, width, channels).
    public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }
}
