// What the plots need of cairo: a white image, lines, rectangles and text on it, and its bytes as PNG. The same calls
// give the same bytes on a machine; another version of cairo or of the fonts may draw a letter a little otherwise.

import CCairo

/// A picture that is being drawn. Coordinates are pixels, from the upper left corner.
final class Canvas {
    let width, height: Double
    private let surface: OpaquePointer
    private let context: OpaquePointer

    /// Where a text is held.
    enum Anchor { case start, middle, end }

    /// A white canvas.
    init(width: Int, height: Int) {
        self.width = Double(width)
        self.height = Double(height)
        surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
        context = cairo_create(surface)
        fill(Box(x: 0, y: 0, width: self.width, height: self.height), .white)
        cairo_select_font_face(context, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL)
        cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    }

    deinit {
        cairo_destroy(context)
        cairo_surface_destroy(surface)
    }

    // MARK: - Shapes

    func fill(_ box: Box, _ color: Color) {
        set(color)
        cairo_rectangle(context, box.x, box.y, box.width, box.height)
        cairo_fill(context)
    }

    func stroke(_ box: Box, _ color: Color, width: Double = 1) {
        set(color)
        cairo_set_line_width(context, width)
        cairo_rectangle(context, box.x, box.y, box.width, box.height)
        cairo_stroke(context)
    }

    func line(_ points: [(x: Double, y: Double)], _ color: Color, width: Double = 1) {
        guard let first = points.first else { return }
        set(color)
        cairo_set_line_width(context, width)
        cairo_move_to(context, first.x, first.y)
        for point in points.dropFirst() { cairo_line_to(context, point.x, point.y) }
        cairo_stroke(context)
    }

    func dot(x: Double, y: Double, radius: Double, _ color: Color) {
        set(color)
        cairo_arc(context, x, y, radius, 0, 2 * .pi)
        cairo_fill(context)
    }

    /// What `body` draws shows inside `box` only.
    func clipped(to box: Box, _ body: () -> Void) {
        cairo_save(context)
        cairo_rectangle(context, box.x, box.y, box.width, box.height)
        cairo_clip(context)
        body()
        cairo_restore(context)
    }

    // MARK: - Text

    /// Draws `text` with its middle line at `y`; smaller where it would be wider than `limit`.
    func text(
        _ text: String, x: Double, y: Double, _ anchor: Anchor = .start, size: Double = 14, color: Color = .text,
        turned: Bool = false, limit: Double = .infinity
    ) {
        var (size, width) = (size, width(of: text, size: size))
        if width > limit {
            size *= limit / width
            width = self.width(of: text, size: size)
        }
        let start: Double
        switch anchor {
        case .start: start = 0
        case .middle: start = -width / 2
        case .end: start = -width
        }
        cairo_save(context)
        set(color)
        cairo_translate(context, x, y)
        if turned { cairo_rotate(context, -.pi / 2) }
        cairo_move_to(context, start, size * 0.36)  // half of a capital's height
        cairo_show_text(context, text)
        cairo_restore(context)
    }

    /// How wide `text` is.
    func width(of text: String, size: Double = 14) -> Double {
        cairo_set_font_size(context, size)
        var extents = cairo_text_extents_t()
        cairo_text_extents(context, text, &extents)
        return extents.x_advance
    }

    private func set(_ color: Color) { cairo_set_source_rgb(context, color.red, color.green, color.blue) }

    // MARK: - PNG

    /// The picture as a PNG file.
    /// - Throws: ``PlotError`` where cairo fails, which is where memory runs out.
    func png() throws(PlotError) -> [UInt8] {
        var bytes: [UInt8] = []
        let status = withUnsafeMutablePointer(to: &bytes) { bytes in
            cairo_surface_write_to_png_stream(
                surface,
                { closure, data, count in
                    closure?.assumingMemoryBound(to: [UInt8].self).pointee
                        .append(contentsOf: UnsafeBufferPointer(start: data, count: Int(count)))
                    return CAIRO_STATUS_SUCCESS
                }, bytes)
        }
        for status in [status, cairo_status(context)] where status != CAIRO_STATUS_SUCCESS {
            throw PlotError(reason: String(cString: cairo_status_to_string(status)))
        }
        return bytes
    }
}

/// A plot that could not be drawn.
package struct PlotError: Error, Sendable, Equatable, CustomStringConvertible {
    /// cairo's word.
    package let reason: String
    package var description: String { "the plot cannot be drawn: \(reason)" }
}

/// A rectangle in pixels.
struct Box {
    var x, y, width, height: Double

    var right: Double { x + width }
    var bottom: Double { y + height }
}

/// An opaque colour, components 0 … 1. The series have those of Okabe and Ito, which the colour-blind tell apart.
package struct Color: Sendable, Equatable {
    var red, green, blue: Double

    static let white = Color(red: 1, green: 1, blue: 1)
    static let text = Color(red: 0.13, green: 0.13, blue: 0.13)
    static let faintText = Color(red: 0.4, green: 0.4, blue: 0.4)
    static let frame = Color(red: 0.5, green: 0.5, blue: 0.5)
    static let grid = Color(red: 0.9, green: 0.9, blue: 0.9)
    package static let blue = Color(red: 0, green: 0.45, blue: 0.7)
    package static let paleBlue = Color(red: 0.7, green: 0.83, blue: 0.92)
    package static let orange = Color(red: 0.84, green: 0.37, blue: 0)
    package static let green = Color(red: 0, green: 0.62, blue: 0.45)
    package static let gold = Color(red: 0.94, green: 0.78, blue: 0.35)
    /// A class of nothing.
    package static let pale = Color(red: 0.95, green: 0.95, blue: 0.95)
}
