// Images of one size brought to another, by cairo: the middle of the image that has the new shape, each new pixel the
// mean of what it covers (cairo's GOOD filter; from three quarters of the size up, and for enlarging, it interpolates
// linearly). Levels are averaged as they are, as most tools do. An image of the right size stays as it is, to the bit.

import CCairo
import ImageFormats

/// Rows and columns.
package struct ImageSize: Sendable, Equatable {
    /// Rows.
    package var height: Int
    /// Columns.
    package var width: Int

    /// A size as given; both at least 1.
    package init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// `SIDE`, or `HEIGHTxWIDTH`; nil where it is no size, or has a side that is not `allowed`.
    package init?(_ text: String, allowed: ClosedRange<Int>) {
        let sides = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(sides.count), let height = sides[0], let width = sides[sides.count - 1],
            allowed.contains(height), allowed.contains(width)
        else { return nil }
        self.init(height: height, width: width)
    }
}

/// Resizes images, one after the other, by way of two surfaces that it keeps.
package final class ImageResizer {
    private let channels: Int
    private let from, to: ImageSize
    private let source, destination: OpaquePointer
    private let context: OpaquePointer

    /// For images (C, from.height, from.width), C = 1 or 3; nil where cairo has no memory for them, or for sides beyond
    /// 32767.
    package init?(channels: Int, from: ImageSize, to: ImageSize) {
        self.channels = channels
        self.from = from
        self.to = to
        source = cairo_image_surface_create(
            CAIRO_FORMAT_RGB24, Int32(clamping: from.width), Int32(clamping: from.height))
        destination = cairo_image_surface_create(
            CAIRO_FORMAT_RGB24, Int32(clamping: to.width), Int32(clamping: to.height))
        context = cairo_create(destination)
        let scale = max(Double(to.width) / Double(from.width), Double(to.height) / Double(from.height))
        cairo_translate(
            context, (Double(to.width) - Double(from.width) * scale) / 2,
            (Double(to.height) - Double(from.height) * scale) / 2)
        cairo_scale(context, scale, scale)
        cairo_set_source_surface(context, source, 0, 0)
        cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_GOOD)
        cairo_pattern_set_extend(cairo_get_source(context), CAIRO_EXTEND_PAD)  // no dark rim
        guard cairo_surface_status(source) == CAIRO_STATUS_SUCCESS, cairo_status(context) == CAIRO_STATUS_SUCCESS
        else { return nil }
    }

    deinit {
        cairo_destroy(context)
        cairo_surface_destroy(destination)
        cairo_surface_destroy(source)
    }

    /// An image (C, from.height, from.width) as (C, to.height, to.width).
    package func resize(_ image: ArraySlice<UInt8>) -> [UInt8] {
        guard from != to else { return Array(image) }
        withPixels(of: source, from) { pixel, place in
            func level(_ c: Int) -> UInt32 {
                UInt32(image[image.startIndex + min(c, channels - 1) * from.height * from.width + place])
            }
            pixel = level(0) << 16 | level(1) << 8 | level(2)
        }
        cairo_surface_mark_dirty(source)
        cairo_paint(context)
        cairo_surface_flush(destination)
        var resized = [UInt8](repeating: 0, count: channels * to.height * to.width)
        withPixels(of: destination, to) { pixel, place in
            for c in 0..<channels {
                resized[c * to.height * to.width + place] = UInt8(truncatingIfNeeded: pixel >> (16 - 8 * c))
            }
        }
        return resized
    }

    /// Calls `body` with each pixel, 0x00RRGGBB, and its number in reading order.
    private func withPixels(of surface: OpaquePointer, _ size: ImageSize, _ body: (inout UInt32, Int) -> Void) {
        guard let data = cairo_image_surface_get_data(surface) else { return }
        let stride = Int(cairo_image_surface_get_stride(surface))
        for row in 0..<size.height {
            let pixels = UnsafeMutableRawPointer(data + row * stride).assumingMemoryBound(to: UInt32.self)
            for column in 0..<size.width { body(&pixels[column], row * size.width + column) }
        }
    }
}

extension Picture {
    /// The middle of the picture at another size; nil where cairo cannot.
    package func resized(to size: ImageSize) -> Picture? {
        guard (height, width) != (size.height, size.width) else { return self }
        guard
            let resizer = ImageResizer(
                channels: channels, from: ImageSize(height: height, width: width), to: size)
        else { return nil }
        // The resizer's images are planar.
        let planes = (0..<channels).flatMap { c in
            stride(from: c, to: pixels.count, by: channels).map { pixels[$0] }
        }
        let resized = resizer.resize(planes[...])
        let area = size.height * size.width
        return Picture(
            width: size.width, height: size.height, channels: channels,
            pixels: (0..<area).flatMap { place in (0..<channels).map { resized[$0 * area + place] } })
    }
}
