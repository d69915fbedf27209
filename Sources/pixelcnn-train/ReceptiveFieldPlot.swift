// A receptive field as a plot: classes of pixels, what they are called, and one line that sums them up.

import PixelCNNModel
import PixelCNNTraining
import Plots

struct ReceptiveFieldPlot {
    /// What is seen, in a line.
    let summary: String
    private let plot: CellPlot

    private enum Kind: Int, CaseIterable { case unseen, seen, blind, pixel }

    init(
        model: Model, name: String, channel: ColorChannel, of: ColorChannel, at: PixelPosition, threshold: Float,
        maskedOnly: Bool
    ) {
        let size = model.hyperparameters
        let (predicted, observed) = (channel.name(of: size.channels), of.name(of: size.channels))
        let field = ReceptiveField(
            of: model, channel: channel.index, row: at.row, column: at.column, threshold: threshold)
        let masked = ReceptiveField(
            ofMaskedConvolutionsLike: size, channel: channel.index, row: at.row, column: at.column)
        let shown = maskedOnly ? masked : field
        let cells = (0..<size.height).map { row in
            (0..<size.width).map { column -> Kind in
                if (row, column) == (at.row, at.column) { return .pixel }
                if shown.sees(channel: of.index, row: row, column: column) { return .seen }
                return field.sees(channel: of.index, row: row, column: column) ? .blind : .unseen
            }
        }
        func count(_ kind: Kind) -> Int { cells.joined().count { $0 == kind } }
        let earlier = at.row * size.width + at.column
        let own = shown.sees(channel: of.index, row: at.row, column: at.column) ? "is seen, too" : "is not seen"
        let kernel = "\(size.kernelSize) × \(size.kernelSize)"
        let stack = maskedOnly ? "masked \(kernel) convolutions alone" : "vertical and horizontal stack"

        summary =
            "\(predicted) at row \(at.row), column \(at.column) depends on the \(observed) of \(count(.seen)) of the "
            + "\(earlier) pixels before it"
            + (maskedOnly ? "; the two stacks see \(count(.blind)) of those it misses" : "")
        plot = CellPlot(
            title: "What \(predicted) at (\(at.row), \(at.column)) sees of \(observed): \(stack)",
            subtitles: [
                "\(name): \(size.blocks) blocks, kernel \(size.kernelSize), \(size.channels) × \(size.height) × "
                    + "\(size.width)",
                "\(count(.seen)) of the \(earlier) pixels before it are seen"
                    + (maskedOnly ? ", whatever the weights" : ": their gradient is above \(threshold)"),
            ],
            classes: Kind.allCases.map { kind in
                switch kind {
                case .unseen: CellPlot.Class("not seen", .pale)
                case .seen: CellPlot.Class("seen", .blue)
                case .blind: CellPlot.Class("the blind spot: only the two stacks see it", .orange)
                case .pixel: CellPlot.Class("the pixel itself: its \(observed) \(own)", .gold)
                }
            },
            cells: cells.map { $0.map(\.rawValue) })
    }

    func png() throws(PlotError) -> [UInt8] { try plot.png() }
}
