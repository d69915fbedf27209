// Reads PNG files of every kind that 8 bits per channel can hold without loss. The header and the amount of compressed
// data are weighed first, so a small file cannot ask for a large allocation: deflate expands at most 1032-fold.
// Samples are taken as stored; gamma and colour profiles are not applied, for the network learned from raw values.

import CPNG

extension PNG {
    /// The most pixels that `decode` accepts unless told otherwise: 67 million.
    package static let defaultLimit = 1 << 26

    /// Decodes a PNG file.
    ///
    /// Palettes are expanded to RGB, and gray of 1, 2 and 4 bits to 8. Interlaced files are read. Alpha is dropped
    /// where every pixel is opaque.
    ///
    /// - Parameter limit: the most pixels, width × height, that are accepted. Checked before anything is allocated.
    /// - Throws: `PNGError` for files that are damaged, larger than `limit`, of 16 bits, or not fully opaque.
    package static func decode(_ bytes: [UInt8], limit: Int = defaultLimit) throws(PNGError) -> Picture {
        let chunks = try PNGChunks(parsing: bytes)
        let header = chunks.header
        try check(header, limit: limit, compressedBytes: chunks.compressedBytes)

        let palette = try header.isIndexed ? PNGPalette(of: bytes, chunks: chunks) : nil
        let channels = header.isColored ? 3 : 1
        let hasAlpha = palette == nil && (header.hasAlpha || chunks.transparency != nil)
        let samples = palette == nil ? channels + (hasAlpha ? 1 : 0) : 1
        let (rowBytes, overflow) = header.width.multipliedReportingOverflow(by: samples)
        let (size, overflow2) = rowBytes.multipliedReportingOverflow(by: header.height)
        guard !overflow, !overflow2 else {
            throw .tooLarge(width: header.width, height: header.height, limit: limit)
        }

        var message = [CChar](repeating: 0, count: Int(CPNG_ERROR_SIZE))
        var pixels = [UInt8](repeating: 0, count: size)
        let status = cpng_decode(bytes, bytes.count, &pixels, UInt32(header.height), rowBytes, &message)
        guard status == 0 else { throw .undecodable(string(message)) }
        if let palette {
            pixels = try palette.colors(of: pixels, width: header.width)
        } else if hasAlpha {
            try dropAlpha(of: &pixels, width: header.width, channels: channels)
        }
        return Picture(width: header.width, height: header.height, channels: channels, pixels: pixels)
    }

    /// The width and height that a PNG file says it has; nothing is decoded.
    ///
    /// - Throws: `PNGError` for files that are damaged.
    package static func size(of bytes: [UInt8]) throws(PNGError) -> (width: Int, height: Int) {
        let header = try PNGChunks(parsing: bytes).header
        return (header.width, header.height)
    }

    private static func check(
        _ header: PNGChunks.Header, limit: Int, compressedBytes: Int
    ) throws(PNGError) {
        guard header.bitDepth != 16 else { throw .sixteenBits }
        let (area, overflow) = header.width.multipliedReportingOverflow(by: header.height)
        guard !overflow, area <= limit else {
            throw .tooLarge(width: header.width, height: header.height, limit: limit)
        }
        // The image uncompressed, without the filter byte that opens each row.
        let (bits, overflow2) = area.multipliedReportingOverflow(by: header.bitDepth * (header.samples ?? 1))
        guard !overflow2, bits / 8 / 1032 <= compressedBytes else {
            throw .implausibleSize(
                width: header.width, height: header.height, compressedBytes: compressedBytes)
        }
    }

    /// Removes the last of `channels` + 1 samples of each pixel, in place, if it is 255 everywhere.
    private static func dropAlpha(of pixels: inout [UInt8], width: Int, channels: Int) throws(PNGError) {
        let count = pixels.count / (channels + 1)
        for pixel in 0..<count {
            let source = pixel * (channels + 1)
            let alpha = pixels[source + channels]
            guard alpha == 255 else {
                throw .transparent(row: pixel / width, column: pixel % width, alpha: alpha)
            }
            for channel in 0..<channels { pixels[pixel * channels + channel] = pixels[source + channel] }
        }
        pixels.removeLast(count)
    }
}
