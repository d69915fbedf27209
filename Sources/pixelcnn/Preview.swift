// Pictures in a terminal, as far as they are drawn: a character cell is two pixels, the upper as ▀ in its foreground
// colour, the lower its background. As many pictures as fit, side by side.

import Foundation
import ImageFormats

struct Preview {
    private let shape: SampledImages.Shape
    /// Pixels of each picture that can be shown: (height, width, channels), and how many rows of them are drawn.
    private var pictures: [(pixels: [UInt8], rows: Int)]

    /// A preview of `count` images, of which nothing is drawn.
    ///
    /// - Parameter limit: pictures beyond it are never shown.
    init(count: Int, shape: SampledImages.Shape, limit: Int = 256) {
        self.shape = shape
        self.pictures = Array(
            repeating: ([UInt8](repeating: 0, count: shape.count), 0), count: max(0, min(count, limit)))
    }

    /// Takes in the values of a row, (C, W), of image `image`. Values that do not fit are left out: a preview is no
    /// place to find fault.
    mutating func draw(row: Int, of image: Int, values: [UInt16]) {
        guard pictures.indices.contains(image), 0..<shape.height ~= row,
            let picture = try? Grid.picture(
                values: values, count: 1, channels: shape.channels, height: 1, width: shape.width,
                colors: shape.colors)
        else { return }
        let start = row * picture.pixels.count
        pictures[image].pixels.replaceSubrange(start..<start + picture.pixels.count, with: picture.pixels)
        pictures[image].rows = max(pictures[image].rows, row + 1)
    }

    /// Why a terminal of this size shows nothing; nil where it shows at least one picture.
    static func obstacle(shape: SampledImages.Shape, size: (rows: Int, columns: Int)) -> String? {
        let (rows, columns) = ((shape.height + 1) / 2 + 1, shape.width)
        guard size.rows <= rows || size.columns < columns else { return nil }
        return
            "a picture needs \(columns) columns and \(rows + 1) lines, "
            + "the terminal has \(size.columns) and \(size.rows)"
    }

    /// The lines to draw, one less than the terminal has at most.
    func lines(size: (rows: Int, columns: Int)) -> [String] {
        guard Self.obstacle(shape: shape, size: size) == nil else { return [] }
        let linesPerPicture = (shape.height + 1) / 2
        // A column or a line lies between pictures.
        let across = (size.columns + 1) / (shape.width + 1)
        let down = size.rows / (linesPerPicture + 1)
        let shown = pictures.prefix(across * max(1, down))
        var lines: [String] = []
        for first in stride(from: 0, to: shown.count, by: across) {
            if first > 0 { lines.append("") }
            for line in 0..<linesPerPicture {
                let cells = shown[first..<min(first + across, shown.count)].map { self.cells($0, line: line) }
                lines.append(cells.joined(separator: " "))
            }
        }
        return lines
    }

    /// One line of a picture; colours are named where they change.
    private func cells(_ picture: (pixels: [UInt8], rows: Int), line: Int) -> String {
        var text = ""
        var last: (upper: String, lower: String) = ("39", "49")
        for column in 0..<shape.width {
            let upper = color(picture, row: 2 * line, column: column).map { "38;2;\($0)" }
            let lower = color(picture, row: 2 * line + 1, column: column).map { "48;2;\($0)" }
            let next = (upper: upper ?? "39", lower: lower ?? "49")
            let changes = [next.upper != last.upper ? next.upper : nil, next.lower != last.lower ? next.lower : nil]
            let codes = changes.compactMap { $0 }
            if !codes.isEmpty { text += "\u{1B}[\(codes.joined(separator: ";"))m" }
            text += upper == nil ? " " : "▀"
            last = next
        }
        return last == ("39", "49") ? text : text + "\u{1B}[0m"
    }

    /// `red;green;blue`, nil for what is not drawn.
    private func color(_ picture: (pixels: [UInt8], rows: Int), row: Int, column: Int) -> String? {
        guard row < picture.rows else { return nil }
        let channels = shape.channels
        let start = (row * shape.width + column) * channels
        let pixel = picture.pixels[start..<start + channels]
        return channels == 1
            ? "\(pixel[start]);\(pixel[start]);\(pixel[start])" : pixel.map { "\($0)" }.joined(separator: ";")
    }
}
