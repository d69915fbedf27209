// A plot of classes: an image's pixels as cells, each in the colour of its class, with rows, columns and a legend that
// says what the classes are.

/// Pixels that each belong to a class.
package struct CellPlot: Sendable {
    /// A class and how it looks.
    package struct Class: Sendable {
        package var name: String
        /// Of its cells.
        package var color: Color
        package init(_ name: String, _ color: Color) {
            self.name = name
            self.color = color
        }
    }
    package var title: String
    /// Below the title, smaller: one line each.
    package var subtitles: [String]
    /// In the legend, in this order, where they have cells.
    package var classes: [Class]
    /// Indices in `classes`, (rows, columns).
    package var cells: [[Int]]

    /// A plot of `cells`, rows of equal length.
    package init(title: String, subtitles: [String], classes: [Class], cells: [[Int]]) {
        precondition(!cells.isEmpty && cells.allSatisfy { !$0.isEmpty && $0.count == cells[0].count }, "rows of cells")
        self.title = title
        self.subtitles = subtitles
        self.classes = classes
        self.cells = cells
    }

    /// The plot as a PNG file; its longer side has some 600 pixels.
    /// - Throws: ``PlotError``.
    package func png() throws(PlotError) -> [UInt8] {
        let (rows, columns) = (cells.count, cells[0].count)
        let side = Double(min(60, max(2, 560 / max(rows, columns))))
        let top = 52.0 + 20 * Double(subtitles.count)
        let used = classes.indices.filter { kind in cells.contains { $0.contains(kind) } }
        let measure = Canvas(width: 1, height: 1)
        let text = max(
            measure.width(of: title, size: 18), subtitles.map { measure.width(of: $0, size: 13) }.max() ?? 0,
            (used.map { measure.width(of: classes[$0].name) }.max() ?? 0) + 28)
        let area = Box(x: 80, y: top, width: side * Double(columns), height: side * Double(rows))
        let canvas = Canvas(
            width: Int(max(area.right, area.x + text) + 30), height: Int(area.bottom) + 70 + 24 * used.count)

        canvas.text(title, x: area.x, y: 26, size: 18)
        for (i, line) in subtitles.enumerated() {
            canvas.text(line, x: area.x, y: 50 + 20 * Double(i), size: 13, color: .faintText)
        }
        for (row, cells) in cells.enumerated() {
            for (column, kind) in cells.enumerated() {
                let gap = side >= 6 ? 1.0 : 0
                canvas.fill(
                    Box(
                        x: area.x + Double(column) * side, y: area.y + Double(row) * side, width: side - gap,
                        height: side - gap), classes[kind].color)
            }
        }
        canvas.stroke(area, .frame)
        axes(canvas, area, side)
        for (i, kind) in used.enumerated() {
            let y = area.bottom + 74 + 24 * Double(i)
            canvas.fill(Box(x: area.x, y: y - 8, width: 16, height: 16), classes[kind].color)
            canvas.stroke(Box(x: area.x, y: y - 8, width: 16, height: 16), .frame)
            canvas.text(classes[kind].name, x: area.x + 28, y: y)
        }
        return try canvas.png()
    }

    private func axes(_ canvas: Canvas, _ area: Box, _ side: Double) {
        let columns = Ticks(0...Double(cells[0].count - 1), count: 8, isWhole: true)
        for tick in columns.values {
            let x = area.x + (tick + 0.5) * side
            canvas.line([(x, area.bottom), (x, area.bottom + 5)], .frame)
            canvas.text(columns.label(tick), x: x, y: area.bottom + 17, .middle)
        }
        canvas.text("column", x: area.x + area.width / 2, y: area.bottom + 40, .middle)
        let rows = Ticks(0...Double(cells.count - 1), count: 8, isWhole: true)
        for tick in rows.values {
            let y = area.y + (tick + 0.5) * side
            canvas.line([(area.x - 5, y), (area.x, y)], .frame)
            canvas.text(rows.label(tick), x: area.x - 9, y: y, .end)
        }
        canvas.text("row", x: 24, y: area.y + area.height / 2, .middle, turned: true)
    }
}
