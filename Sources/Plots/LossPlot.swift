// `NAME.loss.png`: how the loss fell, in nats per value on the left and bits/dim on the right, over epochs. Each step's
// loss is a pale line, averaged to what a pixel can show; the means of the epochs, and held-out losses, are points.

#if canImport(Glibc)
    import Glibc
#endif

/// A run's losses, in nats per value.
package struct LossPlot: Sendable {
    /// A loss, and after how many epochs; between whole numbers within an epoch.
    package struct Point: Sendable, Equatable {
        /// Epochs taken.
        package var epoch: Double
        package var loss: Double
        package init(epoch: Double, loss: Double) {
            self.epoch = epoch
            self.loss = loss
        }
    }

    /// Above the plot: the model and the data.
    package var title: String
    /// Below the title, smaller.
    package var subtitle: String
    /// Of each step.
    package var steps: [Point] = []
    /// Means over the steps of each epoch.
    package var train: [Point] = []
    /// Of the validation images, at the end of each epoch.
    package var validation: [Point] = []
    /// Of the test images, likewise.
    package var test: [Point] = []

    /// A plot without points.
    package init(title: String, subtitle: String) {
        self.title = title
        self.subtitle = subtitle
    }

    private static let area = Box(x: 80, y: 80, width: 740, height: 420)

    /// The plot as a PNG file, 900 × 560.
    /// - Throws: ``PlotError``.
    package func png() throws(PlotError) -> [UInt8] {
        let canvas = Canvas(width: 900, height: 560)
        let area = Self.area
        let steps = Self.averaged(steps, to: Int(area.width))
        let (epochs, losses) = ranges(steps)
        func x(_ epoch: Double) -> Double {
            area.x + area.width * (epoch - epochs.lowerBound) / (epochs.upperBound - epochs.lowerBound)
        }
        func y(_ loss: Double) -> Double {
            area.bottom - area.height * (loss - losses.lowerBound) / (losses.upperBound - losses.lowerBound)
        }
        canvas.text(title, x: area.x, y: 26, size: 18, limit: canvas.width - area.x - 10)
        canvas.text(subtitle, x: area.x, y: 52, size: 13, color: .faintText, limit: canvas.width - area.x - 10)
        axes(canvas, epochs, losses, x: x, y: y)
        canvas.clipped(to: area) {
            canvas.line(steps.map { (x($0.epoch), y($0.loss)) }, .paleBlue)
        }
        for (points, color) in [(train, Color.blue), (validation, .green), (test, .orange)] {
            canvas.line(points.map { (x($0.epoch), y($0.loss)) }, color, width: 2)
            let radius = points.count > 100 ? 2.0 : 3.5
            for point in points { canvas.dot(x: x(point.epoch), y: y(point.loss), radius: radius, color) }
        }
        canvas.stroke(area, .frame)
        legend(canvas, hasSteps: !steps.isEmpty)
        return try canvas.png()
    }

    // MARK: - Parts

    private func axes(
        _ canvas: Canvas, _ epochs: ClosedRange<Double>, _ losses: ClosedRange<Double>, x: (Double) -> Double,
        y: (Double) -> Double
    ) {
        let area = Self.area
        let whole = Ticks(epochs, count: 10, isWhole: true)
        for tick in whole.values {
            canvas.line([(x(tick), area.y), (x(tick), area.bottom)], .grid)
            canvas.line([(x(tick), area.bottom), (x(tick), area.bottom + 5)], .frame)
            canvas.text(whole.label(tick), x: x(tick), y: area.bottom + 17, .middle)
        }
        canvas.text("epochs", x: area.x + area.width / 2, y: area.bottom + 42, .middle)
        let nats = Ticks(losses, count: 7)
        for tick in nats.values {
            canvas.line([(area.x, y(tick)), (area.right, y(tick))], .grid)
            canvas.line([(area.x - 5, y(tick)), (area.x, y(tick))], .frame)
            canvas.text(nats.label(tick), x: area.x - 9, y: y(tick), .end)
        }
        canvas.text("nats per value", x: 20, y: area.y + area.height / 2, .middle, turned: true)
        let ln2 = log(2.0)
        let bits = Ticks(losses.lowerBound / ln2...losses.upperBound / ln2, count: 7)
        for tick in bits.values {
            canvas.line([(area.right, y(tick * ln2)), (area.right + 5, y(tick * ln2))], .frame)
            canvas.text(bits.label(tick), x: area.right + 9, y: y(tick * ln2))
        }
        canvas.text("bits/dim", x: 882, y: area.y + area.height / 2, .middle, turned: true)
    }

    /// In the upper right corner, where falling losses are not.
    private func legend(_ canvas: Canvas, hasSteps: Bool) {
        var entries: [(text: String, color: Color, width: Double)] = []
        func last(_ points: [Point]) -> String {
            points.last.map { ": \(String($0.loss / log(2), decimals: 4)) bits/dim" } ?? ""
        }
        if hasSteps { entries.append(("train, single steps", .paleBlue, 1)) }
        if !train.isEmpty { entries.append(("train, mean of the epoch" + last(train), .blue, 2)) }
        if !validation.isEmpty { entries.append(("validation" + last(validation), .green, 2)) }
        if !test.isEmpty { entries.append(("test" + last(test), .orange, 2)) }
        let width = (entries.map { canvas.width(of: $0.text) }.max() ?? 0) + 56
        let box = Box(
            x: Self.area.right - width - 10, y: Self.area.y + 10, width: width, height: Double(entries.count) * 22 + 10)
        canvas.fill(box, .white)
        canvas.stroke(box, .grid)
        for (i, entry) in entries.enumerated() {
            let y = box.y + 16 + Double(i) * 22
            canvas.line([(box.x + 10, y), (box.x + 38, y)], entry.color, width: entry.width)
            if entry.width > 1 { canvas.dot(x: box.x + 24, y: y, radius: 3.5, entry.color) }
            canvas.text(entry.text, x: box.x + 46, y: y)
        }
    }

    // MARK: - Numbers

    /// All epochs, and the losses without the highest of the first steps, which would press the rest together.
    private func ranges(_ steps: [Point]) -> (epochs: ClosedRange<Double>, losses: ClosedRange<Double>) {
        let points = train + validation + test
        let common = steps.map(\.loss).sorted().prefix(max(1, steps.count * 97 / 100))
        let losses = points.map(\.loss) + common.prefix(1) + common.suffix(1)
        let (low, high) = (losses.min() ?? 0, losses.max() ?? 1)
        let margin = max((high - low) * 0.05, 0.005)
        let end = (points + steps).map(\.epoch).max() ?? 1
        return (0...max(end, 1), max(0, low - margin)...high + margin)
    }

    /// Means of as many groups of neighbours as there are pixels.
    static func averaged(_ points: [Point], to count: Int) -> [Point] {
        guard points.count > count else { return points }
        return (0..<count).map { i in
            let group = points[i * points.count / count..<(i + 1) * points.count / count]
            let (epochs, losses) = (group.reduce(0) { $0 + $1.epoch }, group.reduce(0) { $0 + $1.loss })
            return Point(epoch: epochs / Double(group.count), loss: losses / Double(group.count))
        }
    }
}
