// Sizes: which are allowed, and what tensors and masks follow from them.

import Foundation
import Testing

@testable import PixelCNNModel

@Suite struct HyperparametersTests {
    @Test func defaultsAreThePublishedNetwork() throws {
        let network = try Hyperparameters()
        #expect((network.channels, network.height, network.width, network.colors) == (3, 32, 32, 256))
        #expect((network.blocks, network.filters, network.kernelSize, network.hidden) == (15, 120, 3, 768))
        #expect((network.groupSize, network.padding) == (40, 1))
        #expect(network.parameterCount == 5_153_280)  // sum(p.numel() for p in PixelCNN().parameters())
    }

    @Test func namesTheFieldOutOfRange() {
        #expect(throws: HyperparametersError.outOfRange(field: "channels", found: 0, allowed: 1...256)) {
            try Hyperparameters(channels: 0)
        }
        #expect(throws: HyperparametersError.outOfRange(field: "height", found: -1, allowed: 1...4096)) {
            try Hyperparameters(height: -1)
        }
        #expect(throws: HyperparametersError.outOfRange(field: "width", found: .max, allowed: 1...4096)) {
            try Hyperparameters(width: .max)
        }
        #expect(throws: HyperparametersError.outOfRange(field: "colors", found: 1, allowed: 2...65536)) {
            try Hyperparameters(colors: 1)
        }
        #expect(throws: HyperparametersError.outOfRange(field: "blocks", found: 0, allowed: 1...512)) {
            try Hyperparameters(blocks: 0)
        }
        #expect(throws: HyperparametersError.outOfRange(field: "kernel_size", found: 1, allowed: 3...255)) {
            try Hyperparameters(kernelSize: 1)
        }
        #expect(throws: HyperparametersError.evenKernel(found: 4)) { try Hyperparameters(kernelSize: 4) }
        #expect(throws: HyperparametersError.notDivisible(field: "filters", found: 100, channels: 3)) {
            try Hyperparameters(filters: 100)
        }
        #expect(throws: HyperparametersError.notDivisible(field: "hidden", found: 769, channels: 3)) {
            try Hyperparameters(hidden: 769)
        }
    }

    @Test func theLargestNetworkStillCounts() throws {
        let largest = try Hyperparameters(
            channels: 256, height: 4096, width: 4096, colors: 65536, blocks: 512, filters: 65536, kernelSize: 255,
            hidden: 65536)
        #expect(largest.parameterCount > 0)  // an overflow would have trapped
    }

    /// docs/MODEL.md has a row for each field: attribute, metadata key, published value, limits.
    @Test(arguments: Hyperparameters.Field.allCases)
    func theDocumentHasEveryField(_ field: Hyperparameters.Field) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let document = try String(contentsOf: root.appending(path: "docs/MODEL.md"), encoding: .utf8)
        let line = field.line
        let attribute = line.attribute ?? ([.channels, .height, .width].contains(field) ? PyTorchFile.shapeKey : nil)
        let row = [
            attribute.map { "`\($0)`" } ?? "–", "`\(field.metadataKey)`", "\(try Hyperparameters()[field])",
            "\(line.limits.lowerBound) … \(line.limits.upperBound)",
        ]
        #expect(document.contains("| \(row.joined(separator: " | ")) |"))
    }

    @Test(arguments: Hyperparameters.Field.allCases)
    func filesDeclareEveryField(_ field: Hyperparameters.Field) throws {
        let network = try Hyperparameters(
            channels: 3, height: 5, width: 4, colors: 4, blocks: 2, filters: 6, kernelSize: 3, hidden: 12, labels: 5)
        let bytes = try Fixture.withFolder { folder in
            let file = folder.appending(path: "m.safetensors")
            try Model.random(network, seed: 1).writeSafetensors(to: file.path)
            return [UInt8](try Data(contentsOf: file))
        }
        let declared = network[field]
        let changed = bytes.replacing(
            "\"\(field.metadataKey)\":\"\(declared)\"", with: "\"\(field.metadataKey)\":\"\(declared + 1)\"")
        #expect(changed != bytes)
        try Fixture.withFile(changed, name: "m.safetensors") { path in
            guard let tensor = field.line.tensor else {  // no shape says otherwise
                let model = try Model.load(path: path)
                #expect(model.hyperparameters[field] == declared + 1)
                return
            }
            let problem = ModelFileError.Problem.model(
                .contradiction(field: field.line.key, declared: declared + 1, shapes: declared, tensor: tensor))
            #expect(throws: ModelFileError(file: path, problem)) { try Model.load(path: path) }
        }
    }

    @Test func derivedMasksEqualPyTorchs() throws {
        let stored = try Fixture.bytes("plain.masks")
        var derived: [UInt8] = []
        for spec in try Fixture.hyperparameters().description.masks {
            guard case .mask(let mask) = spec.role else { continue }
            #expect(mask.shape == spec.shape)
            derived += mask.values().map { $0 ? 1 : 0 }
        }
        #expect(derived == stored)
    }

    @Test func masksFollowTheCentreRule() {
        let a = ConvolutionMask(type: .a, outputs: 6, inputs: 3, rows: 3, columns: 3, channels: 3)
        let b = ConvolutionMask(type: .b, outputs: 6, inputs: 3, rows: 3, columns: 3, channels: 3)
        for mask in [a, b] {
            #expect(mask.isVisible(output: 0, input: 2, row: 0, column: 2))  // above: everything
            #expect(mask.isVisible(output: 0, input: 2, row: 1, column: 0))  // left: everything
            #expect(!mask.isVisible(output: 5, input: 0, row: 1, column: 2))  // right: nothing
            #expect(!mask.isVisible(output: 5, input: 0, row: 2, column: 0))  // below: nothing
            #expect(mask.isVisible(output: 2, input: 0, row: 1, column: 1))  // an earlier colour
            #expect(!mask.isVisible(output: 2, input: 2, row: 1, column: 1))  // a later colour
        }
        #expect(!a.isVisible(output: 2, input: 1, row: 1, column: 1))  // its own colour
        #expect(b.isVisible(output: 2, input: 1, row: 1, column: 1))
    }
}
