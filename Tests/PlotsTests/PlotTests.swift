// Plots are looked at by people; tests hold what a person would not see: marks that are round numbers, means that keep
// the sum, and pixels that lie where their numbers say, read back with another PNG reader than the one that wrote them.

import ImageFormats
import Testing

@testable import Plots

@Suite struct PlotTests {
    @Test(arguments: [
        (0.0...1.0, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]), (1.93...2.11, 4, [1.95, 2, 2.05, 2.1]),
        (0...50, 10, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50]), (-3...3, 3, [-2, 0, 2]), (7...7, 5, [7]),
    ])
    func marksAreRoundNumbersWithinTheRange(_ range: ClosedRange<Double>, _ count: Int, _ expected: [Double]) {
        let found = Ticks(range, count: count).values
        #expect(found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "\(found)")
    }

    @Test func labelsHaveTheDecimalsThatTheMarksNeed() {
        let fine = Ticks(1.93...2.11, count: 4)
        #expect(fine.values.map(fine.label) == ["1.95", "2.00", "2.05", "2.10"])
        let whole = Ticks(0...3, count: 10, isWhole: true)
        #expect(whole.values.map(whole.label) == ["0", "1", "2", "3"])
    }

    @Test func manyStepsBecomeMeansOfTheirNeighbours() {
        let points = (0..<1000).map { LossPlot.Point(epoch: Double($0), loss: Double($0 % 2)) }
        let averaged = LossPlot.averaged(points, to: 100)
        #expect(averaged.count == 100 && averaged.allSatisfy { $0.loss == 0.5 })
        #expect(averaged[0].epoch == 4.5 && LossPlot.averaged(points, to: 1000) == points)
    }

    /// Whether a pixel has a colour, but for cairo's rounding.
    private func isColor(_ color: Color, _ picture: Picture, x: Double, y: Double) -> Bool {
        let start = (Int(y) * picture.width + Int(x)) * 3
        return zip(picture.pixels[start..<start + 3], [color.red, color.green, color.blue]).allSatisfy {
            abs(Double($0) - $1 * 255) <= 1.5
        }
    }

    @Test func cellsHaveTheColoursOfTheirClasses() throws {
        let classes = [
            CellPlot.Class("none", .pale), CellPlot.Class("some", .orange), CellPlot.Class("no cell", .gold),
        ]
        let plot = CellPlot(
            title: "Title", subtitles: ["one", "two"], classes: classes, cells: [[0, 1, 0], [1, 1, 0]])
        let picture = try PNG.decode(plot.png())
        for row in 0..<2 {
            for column in 0..<3 {
                let (x, y) = (80 + 60 * (Double(column) + 0.25), 92 + 60 * (Double(row) + 0.25))
                #expect(isColor(classes[plot.cells[row][column]].color, picture, x: x, y: y), "\(row) \(column)")
            }
        }
        for place in 0..<picture.width * picture.height {
            let (x, y) = (Double(place % picture.width), Double(place / picture.width))
            #expect(!isColor(.gold, picture, x: x, y: y), "a class without cells is not in the legend")
        }
    }

    /// The epoch's points are dots at the ends of a diagonal.
    @Test func pointsLieWhereTheirNumbersSay() throws {
        var plot = LossPlot(title: "Title", subtitle: "")
        plot.train = [LossPlot.Point(epoch: 0, loss: 2), LossPlot.Point(epoch: 10, loss: 1)]
        let picture = try PNG.decode(plot.png())
        #expect((picture.width, picture.height) == (900, 560))
        // 5 % of the losses' range stay free above and below.
        for (x, y) in [(82.0, 80 + 420 * 0.05 / 1.1), (818, 500 - 420 * 0.05 / 1.1)] {
            #expect(isColor(.blue, picture, x: x, y: y))
        }
        #expect(try plot.png() == plot.png())
    }

    /// What a file may be called.
    @Test func aLongTitleStaysInThePicture() throws {
        let plot = LossPlot(title: String(repeating: "W", count: 200), subtitle: "")
        let picture = try PNG.decode(plot.png())
        for row in 0..<60 { #expect(isColor(.white, picture, x: 895, y: Double(row)), "\(row)") }
        var hasText = false
        for row in 0..<60 where !isColor(.white, picture, x: 600, y: Double(row)) { hasText = true }
        #expect(hasText)
    }

    @Test func plotsOfNothingAndOfOnePointAreDrawn() throws {
        var plot = LossPlot(title: "", subtitle: "")
        _ = try PNG.decode(plot.png())
        plot.test = [LossPlot.Point(epoch: 1, loss: 0)]
        _ = try PNG.decode(plot.png())
    }
}
