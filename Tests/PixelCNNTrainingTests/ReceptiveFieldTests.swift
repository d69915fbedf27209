// Receptive fields against PyTorch's autograd, and what must hold of every one of them.

import Foundation
import ImageFormats
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNTraining

@Suite struct ReceptiveFieldTests {
    /// Every prediction of a model, with the pixel it is made at.
    private func predictions(_ size: Hyperparameters) -> [(channel: Int, row: Int, column: Int)] {
        (0..<size.channels * size.height * size.width).map {
            ($0 / (size.height * size.width), $0 / size.width % size.height, $0 % size.width)
        }
    }

    @Test(arguments: SmallModels.all.map(\.name))
    func nothingThatComesLaterIsSeen(_ name: String) throws {
        let model = try #require(SmallModels.all.first { $0.name == name }).model
        let size = model.hyperparameters
        let evaluator = Evaluator(model: model, threads: 1)
        for (channel, row, column) in predictions(size) {
            let gradient = evaluator.inputGradient(channel: channel, row: row, column: column)
            let masked = ReceptiveField(
                ofMaskedConvolutionsLike: size, channel: channel, row: row, column: column)
            for (i, other) in predictions(size).enumerated() {
                let isEarlier = (other.row, other.column, other.channel) < (row, column, channel)
                if !isEarlier { #expect(gradient[i] == 0 && !masked.seen[i]) }
            }
        }
    }

    /// At the pixel itself, the earlier colours; to the left of it and above it, its neighbours in every colour.
    @Test func earlierColoursAndNeighboursAreSeen() {
        let model = SmallModels.colour
        for channel in 0..<3 {
            let field = ReceptiveField(of: model, channel: channel, row: 2, column: 2)
            for other in 0..<3 {
                #expect(field.sees(channel: other, row: 2, column: 2) == (other < channel))
                for (row, column) in [(2, 1), (1, 2), (1, 1), (1, 3)] {
                    #expect(field.sees(channel: other, row: row, column: column))
                }
            }
        }
    }

    /// One row up for each step to the right, three of the first layer's for one row.
    @Test func maskedConvolutionsHaveABlindSpotThatTheTwoStacksDoNotHave() throws {
        let size = try Hyperparameters(
            channels: 1, height: 12, width: 24, colors: 4, blocks: 6, filters: 8, kernelSize: 3)
        let model = Model.random(size, seed: 3, scale: 1)
        let masked = ReceptiveField(ofMaskedConvolutionsLike: size, channel: 0, row: 9, column: 10)
        let both = ReceptiveField(of: model, channel: 0, row: 9, column: 10, threshold: 0)
        for up in 1...9 {
            let expected = min(up, 6) - (up > 6 ? 0 : 1) + 3  // six blocks at most go up a row each
            let reach = (11..<24).filter { masked.sees(channel: 0, row: 9 - up, column: $0) }.count
            #expect(reach == min(expected, 9), "\(up) rows up: \(reach)")
        }
        for (masked, both) in zip(masked.seen, both.seen) where masked { #expect(both) }
        #expect(both.sees(channel: 0, row: 8, column: 15) && !masked.sees(channel: 0, row: 8, column: 15))
    }

    /// Gradients within 1e-4 of the largest, so the sums' order is all that differs; the same pixels above 1e-8.
    @Test(
        .enabled(if: PyTorch.isAvailable, "\(PyTorch.absence)"),
        arguments: [
            ("tiny.pt", [3, 8, 8, 256, 3, 12, 3]), ("wide-kernel-state.pt", [3, 7, 9, 16, 4, 18, 5]),
        ])
    func gradientsAndFieldsArePyTorchs(_ file: String, _ sizes: [Int]) throws {
        let folder = try TemporaryFolder()
        let path = Fixture.folder.appending(path: file).path
        let run = try PyTorch.run(["receptive_field.py", path, folder.url.path] + sizes.map(String.init))
        try #require(run.status == 0, "\(run.output)")
        func array(_ name: String) throws -> NPYArray {
            try NPYArray(parsing: Array(Data(contentsOf: URL(filePath: folder.path(name + ".npy")))))
        }
        let model = try Model.load(path: path, height: sizes[1], width: sizes[2])
        let (gradients, masked) = (try array("gradients").floats(), try array("masked").floats())
        let positions = try array("positions").integers(as: Int.self, in: 0...255)
        let count = sizes[0] * sizes[1] * sizes[2]
        let evaluator = Evaluator(model: model, threads: 1)
        for i in 0..<positions.count / 3 {
            let (channel, row, column) = (positions[3 * i], positions[3 * i + 1], positions[3 * i + 2])
            let expected = Array(gradients[i * count..<(i + 1) * count])
            let found = evaluator.inputGradient(channel: channel, row: row, column: column)
            let largest = expected.map(abs).max() ?? 0
            #expect(largestDifference(found, expected) <= 1e-4 * largest)
            #expect(largest > 0 || (channel, row, column) == (0, 0, 0))
            #expect(
                ReceptiveField(of: model, channel: channel, row: row, column: column).seen
                    == expected.map { abs($0) > 1e-8 })
            let plain = ReceptiveField(
                ofMaskedConvolutionsLike: model.hyperparameters, channel: channel, row: row, column: column)
            #expect(plain.seen == masked[i * count..<(i + 1) * count].map { $0 > 0 })
        }
    }

    // MARK: - Connections, whatever the weights

    @Test(arguments: SmallModels.all.map(\.name))
    func connectionsAreWhatAGradientAboveZeroShows(_ name: String) throws {
        let size = try #require(SmallModels.all.first { $0.name == name }).model.hyperparameters
        // Weights so narrow that no gate is saturated: a gradient is then never too small for a Float. A rectifier may
        // be shut at some place in one model, and is not there in all of them.
        let models = (5..<11).map { Model.random(size, seed: $0, scale: 0.5) }
        for (channel, row, column) in predictions(size) {
            let connected = ReceptiveField(
                connectionsOf: models[0].description, height: size.height, width: size.width, channel: channel,
                row: row, column: column)
            let gradients = models.map {
                ReceptiveField(of: $0, channel: channel, row: row, column: column, threshold: 0).seen
            }
            let seen = connected.seen.indices.map { index in gradients.contains { $0[index] } }
            #expect(connected.seen == seen, "\(channel), \(row), \(column)")
        }
    }

    /// Against the full forward pass of images that differ in one value: of the first pixel and the last, of pixels at
    /// each edge, and of two in the middle, of every colour. Who sees another pixel sees it as one of these.
    @Test(arguments: Fixture.published.keys.sorted())
    func connectionsOfPublishedNetworksAreThoseOfTheForwardPass(_ name: String) throws {
        let model = try Fixture(name).model
        let (network, reference) = (model.description, ReferenceNetwork(model: model))
        let (height, width) = (5, 6)
        let area = height * width
        var generator = SplitMix(seed: 2)
        let image = (0..<network.channels * area).map { _ in
            UInt16.random(in: 0..<UInt16(network.colors), using: &generator)
        }
        let label = network.isConditional ? 1 : nil
        let before = reference.logits(image, height: height, width: width, label: label)
        let fields = image.indices.map { place in
            ReceptiveField(
                connectionsOf: network, height: height, width: width, channel: place / area, row: place % area / width,
                column: place % width)
        }
        var (connected, lost) = (0, 0)
        for input in image.indices where [0, 3, 11, 12, 15, 20, 29].contains(input % area) {
            var changed = image
            changed[input] = (image[input] + UInt16(network.colors) / 2) % UInt16(network.colors)
            let after = reference.logits(changed, height: height, width: width, label: label)
            for place in image.indices {
                let isSeen = (0..<network.colors).contains {
                    after[$0 * image.count + place] != before[$0 * image.count + place]
                }
                // A change may be lost in rounding on its way, but none appears from nowhere.
                if isSeen { #expect(fields[place].seen[input], "\(name): \(input) is seen by \(place)") }
                if fields[place].seen[input] {
                    connected += 1
                    lost += isSeen ? 0 : 1
                }
            }
        }
        #expect(lost * 100 <= connected, "\(name): \(lost) of \(connected) are not seen")
    }
}
