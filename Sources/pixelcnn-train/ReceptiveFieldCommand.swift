// `pixelcnn-train receptive-field`: a plot of what a prediction depends on, and of the blind spot that the two stacks
// remove.

import ArgumentParser
import Foundation
import PixelCNNModel
import PixelCNNTraining
import Plots
import Support

struct ReceptiveFieldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receptive-field",
        abstract: "Plot which pixels a prediction depends on.",
        discussion: """
            For an image of ones, the logit of value 0 of one colour channel at one pixel is differentiated with \
            respect to every input; an input counts as seen if its gradient is above a threshold. The defaults are \
            those of the original training script: red in the middle, its dependence on green, and 1e-8. A network \
            that has learnt little may be connected to pixels whose gradient is smaller: --threshold 0 shows them. \
            Of the other published networks, all connected pixels are shown.

            --masked-only plots a network of the same depth, but like the first PixelCNNs: one stack of masked k × k \
            convolutions. To reach one pixel further right, it has to go one row up. So it misses a wedge of known \
            pixels, however deep it is: the blind spot of van den Oord et al. 2016, figure 1. The plot marks the part \
            of it that the model's vertical and horizontal stacks do see.

            Examples:
              pixelcnn-train receptive-field pixelcnn.pt -o rf.png
              pixelcnn-train receptive-field pixelcnn.pt -o rf.png --channel blue --of red --at 3,20
              pixelcnn-train receptive-field pixelcnn.pt -o blind-spot.png --masked-only
            """)

    @Argument(help: "Model file.", completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var model: String

    @Option(name: .shortAndLong, help: "PNG file to write.", completion: .file(extensions: ["png"]))
    var output: String

    @Option(
        parsing: .unconditional, help: "The colour that is predicted: red, green, blue, or a channel's number from 0.")
    var channel: ColorChannel = ColorChannel(index: 0)

    @Option(parsing: .unconditional, help: "The colour that it may depend on (default: green, or the only one).")
    var of: ColorChannel?

    @Option(parsing: .unconditional, help: "The pixel that is predicted, as ROW,COLUMN from 0 (default: the middle).")
    var at: PixelPosition?

    @Option(
        parsing: .unconditional, help: "The gradient above which a pixel counts as seen; 0 shows all connected pixels.")
    var threshold = ReceptiveField.threshold

    @Flag(help: "Plot a network of masked convolutions alone, and its blind spot.")
    var maskedOnly = false

    @OptionGroup var weights: WeightsOptions

    @OptionGroup var size: ImageSizeOptions

    mutating func validate() throws {
        guard threshold >= 0, threshold.isFinite else {
            throw ValidationError("--threshold is \(threshold); it must be 0 or more")
        }
        guard output.lowercased().hasSuffix(".png") else {
            throw ValidationError("the output is \(output); its name must end in .png, the form that is written")
        }
    }

    func run() throws {
        try Console.reporting {
            let model = try weights.load(model, height: size.height, width: size.width)
            let size = model.hyperparameters
            let of = of ?? ColorChannel(index: min(1, size.channels - 1))
            let at = at ?? PixelPosition(row: size.height / 2, column: size.width / 2)
            for (name, channel) in [("--channel", channel), ("--of", of)] where channel.index >= size.channels {
                throw Failure(
                    .usage, "\(name) is \(channel.index); \(self.model) has channels 0 to \(size.channels - 1)")
            }
            guard at.row < size.height, at.column < size.width else {
                throw Failure(
                    .usage,
                    "--at is \(at.row),\(at.column); allowed are 0,0 to \(size.height - 1),\(size.width - 1)")
            }
            let plot = ReceptiveFieldPlot(
                model: model, name: (self.model as NSString).lastPathComponent, channel: channel, of: of, at: at,
                threshold: threshold, maskedOnly: maskedOnly)
            try TrainingFiles.write(plot.png(), to: output)
            print("\(output): \(plot.summary)")
        }
    }
}

/// A colour channel by name or number.
struct ColorChannel: ExpressibleByArgument {
    let index: Int

    private static let names = ["red", "green", "blue"]

    init(index: Int) { self.index = index }

    init?(argument: String) {
        guard let index = Self.names.firstIndex(of: argument) ?? Int(argument), index >= 0 else { return nil }
        self.index = index
    }

    var defaultValueDescription: String { Self.names[index] }

    /// What the channel is called in an image of so many.
    func name(of channels: Int) -> String {
        switch channels {
        case 1: "gray"
        case 3: Self.names[index]
        default: "channel \(index)"
        }
    }
}

/// `ROW,COLUMN`.
struct PixelPosition: ExpressibleByArgument {
    let row, column: Int

    init(row: Int, column: Int) {
        self.row = row
        self.column = column
    }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let row = parts[0], let column = parts[1], row >= 0, column >= 0 else { return nil }
        self.init(row: row, column: column)
    }
}

/// A receptive field as a plot: classes of pixels, what they are called, and one line that sums them up.
private struct ReceptiveFieldPlot {
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
        let hasGradient = size.network == .original
        let field =
            hasGradient
            ? ReceptiveField(
                of: model, channel: channel.index, row: at.row, column: at.column, threshold: threshold)
            : ReceptiveField(
                connectionsOf: model.description, height: size.height, width: size.width, channel: channel.index,
                row: at.row, column: at.column)
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
                    + (maskedOnly || !hasGradient
                        ? ", whatever the weights" : ": their gradient is above \(threshold)"),
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
