// Files of the other published networks: recognised by their names, sizes off the shapes, and one clear error for each
// way in which a file is not what its names say.

import Foundation
import Testing

@testable import PixelCNNModel

@Suite struct PublishedNetworkTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fixtures/published").standardized

    private static let files: [(name: String, network: Network)] = [
        ("vqvae-prior.pt", .vqvaePrior), ("anordertoreclaim.pth", .skips), ("pytorch-generative.ckpt", .generative),
        ("pytorch-generative-colour.pt", .generative), ("uva-tutorial.ckpt", .tutorial),
        ("uva-tutorial-colour.pt", .tutorial), ("pixel_models.pt", .batchNormed),
        ("pixel_models-uneven.pt", .batchNormed), ("pixel_models-plain.pt", .batchNormed),
    ]

    private func path(_ name: String) -> String { Self.folder.appending(path: name).path }

    private func contents(_ name: String) throws -> ModelContents { try ModelContents.read(path: path(name)) }

    /// The file with other tensors.
    private func model(_ name: String, _ change: ([Tensor]) -> [Tensor]) throws -> Model {
        let contents = try contents(name)
        var parts = ModelContents.Parts(format: contents.format)
        parts.tensors = change(contents.tensors)
        parts.copy = contents.copy
        parts.declared = contents.declared
        return try Model(ModelContents(file: contents.file, parts), height: 8, width: 9)
    }

    @Test(arguments: files.indices)
    func networksAreRecognisedAndTheirSizesRead(_ index: Int) throws {
        let (name, network) = Self.files[index]
        let model = try Model.load(path: path(name), height: 7, width: 11)
        let h = model.hyperparameters
        #expect(h.network == network && model.description.network == network)
        #expect((h.height, h.width) == (7, 11))
        #expect(model.source.warnings.isEmpty)
        let expected: [Hyperparameters.Field: Int] =
            switch name {
            case "vqvae-prior.pt":
                [.channels: 1, .colors: 280, .blocks: 3, .filters: 8, .kernelSize: 3, .hidden: 20, .labels: 5]
            case "anordertoreclaim.pth":
                [.channels: 3, .colors: 4, .blocks: 3, .filters: 12, .kernelSize: 3, .hidden: 10, .labels: 10]
            case "pytorch-generative.ckpt":
                [.channels: 1, .colors: 2, .blocks: 3, .filters: 8, .kernelSize: 3, .hidden: 8, .labels: 0]
            case "uva-tutorial.ckpt":
                [.channels: 1, .colors: 32, .blocks: 7, .filters: 6, .kernelSize: 3, .hidden: 6, .labels: 0]
            case "pixel_models.pt":
                [.channels: 3, .colors: 16, .blocks: 3, .filters: 12, .kernelSize: 5, .hidden: 18, .labels: 4]
            default: [:]
            }
        for (field, value) in expected { #expect(h[field] == value, "\(field)") }
    }

    @Test(arguments: files.indices)
    func theSizeIsTheFilesTheCallersOrAnError(_ index: Int) throws {
        let (name, network) = Self.files[index]
        if network == .generative {
            let h = try Model.load(path: path(name)).hyperparameters
            #expect((h.height, h.width) == (name.contains("colour") ? (8, 9) : (10, 12)))
            return
        }
        let error = #expect(throws: ModelFileError.self) { try Model.load(path: path(name)) }
        #expect(error?.problem == .model(.unknownImageSize(network)))
        #expect(error?.description.contains("--height and --width") == true)
    }

    @Test(arguments: files.indices)
    func conversionKeepsEveryNumberAndTheSize(_ index: Int) throws {
        let name = Self.files[index].name
        let model = try Model.load(path: path(name), height: 7, width: 11)
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try model.writeSafetensors(to: file)
        let written = try Model.load(path: file)
        #expect(written.hyperparameters == model.hyperparameters && written.description == model.description)
        for spec in model.description.parameters {
            #expect(written[spec.name].floats() == model[spec.name].floats(), "\(spec.name)")
        }
        #expect(try ModelContents.read(path: file).metadata["pixelcnn.network"] == Self.files[index].network.rawValue)
        #expect(Set(try contents(name).tensors.map(\.name)) == Set(model.description.tensors.map(\.name)))
    }

    @Test(arguments: files.indices)
    func anyTensorMissingOrTooManyIsNamed(_ index: Int) throws {
        let name = Self.files[index].name
        let masks = try contents(name).tensors.filter { $0.name.hasSuffix("mask") }.map(\.name)
        for tensor in try contents(name).tensors where !masks.contains(tensor.name) {
            let error = #expect(throws: ModelFileError.self, "\(tensor.name)") {
                try model(name) { $0.filter { $0.name != tensor.name } }
            }
            // Without a name that tells the network it is another one; without a block's last, a smaller one.
            #expect(error?.description.isEmpty == false)
        }
        let network = Self.files[index].network
        let extra = "\(network.roots.sorted()[0]).extra.weight"
        let error = #expect(throws: ModelFileError.self) {
            try model(name) { $0 + [Tensor(name: extra, shape: [1], floats: [0])] }
        }
        #expect(error?.problem == .model(.unexpectedTensor(extra, network)))
    }

    @Test(arguments: files.indices)
    func aTensorOfAnotherShapeOrNotFiniteIsNamed(_ index: Int) throws {
        let (name, network) = Self.files[index]
        for tensor in try contents(name).tensors where tensor.elementType == .f32 && !tensor.name.hasSuffix("mask") {
            var floats = tensor.floats()
            floats[floats.count - 1] = .nan
            let bad = Tensor(name: tensor.name, shape: tensor.shape, floats: floats)
            let error = #expect(throws: ModelFileError.self, "\(tensor.name)") {
                try model(name) { $0.map { $0.name == tensor.name ? bad : $0 } }
            }
            #expect(error?.description.contains(tensor.name) == true)
            let longer = Tensor(
                name: tensor.name, shape: tensor.shape + [1], floats: Array(repeating: 0, count: tensor.count))
            #expect(throws: ModelFileError.self, "\(tensor.name), \(network)") {
                try model(name) { $0.map { $0.name == tensor.name ? longer : $0 } }
            }
        }
    }

    @Test(arguments: ["_c", "_h", "_w"], [Float.nan, -Float.infinity, 1e30, 9.5])
    func aSizeThatIsNoWholeNumberIsNamed(_ tensor: String, _ value: Float) {
        let error = #expect(throws: ModelFileError.self) {
            try model("pytorch-generative.ckpt") {
                $0.map { $0.name == tensor ? Tensor(name: tensor, shape: $0.shape, floats: [value]) : $0 }
            }
        }
        #expect(error?.problem == .model(.notWhole(tensor: tensor)))
    }

    @Test func aMaskThatSeesMoreIsRefused() throws {
        for (name, tensor) in [
            ("anordertoreclaim.pth", "hidden_conv.0.h_conv.mask"), ("uva-tutorial.ckpt", "conv_hstack.mask"),
            ("pixel_models.pt", "res_layers.0.v.mask"),
        ] {
            let error = #expect(throws: ModelFileError.self) {
                try model(name) {
                    $0.map {
                        $0.name == tensor
                            ? Tensor(name: tensor, shape: $0.shape, floats: Array(repeating: 1, count: $0.count)) : $0
                    }
                }
            }
            guard case .model(.maskMismatch(tensor, _, _))? = error?.problem else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test func whatNoFileSaysIsRefused() throws {
        // Another number of blocks, whose dilations nobody knows.
        var error = #expect(throws: ModelFileError.self) {
            try model("uva-tutorial.ckpt") { $0.filter { !$0.name.hasPrefix("conv_layers.6.") } }
        }
        #expect(error?.problem == .model(.unknownDilations(blocks: 6, published: [1, 2, 1, 4, 1, 2, 1])))
        // Two outputs per channel, of whatever distribution.
        error = #expect(throws: ModelFileError.self) {
            try model("pytorch-generative.ckpt") {
                $0.map {
                    $0.name == "_head.3.weight"
                        ? Tensor(name: $0.name, shape: [2, 8, 1, 1], floats: Array(repeating: 0, count: 16)) : $0
                }
            }
        }
        #expect(error?.description.contains("Bernoulli") == true)
        // With unequal groups the published code sees the values that it predicts.
        error = #expect(throws: ModelFileError.self) {
            try model("anordertoreclaim.pth") {
                $0.map {
                    $0.name == "label_embedding.weight"
                        ? Tensor(name: $0.name, shape: [10, 10], floats: Array(repeating: 0, count: 100)) : $0
                }
            }
        }
        #expect(error?.description.contains("sees the values that it predicts") == true)
        // A variance below zero has no root.
        error = #expect(throws: ModelFileError.self) {
            try model("pixel_models.pt") {
                $0.map {
                    $0.name == "res_layers.1.norm_layer_h.running_var"
                        ? Tensor(name: $0.name, shape: $0.shape, floats: Array(repeating: -1, count: $0.count)) : $0
                }
            }
        }
        #expect(
            error?.problem
                == .model(.negativeVariance(tensor: "res_layers.1.norm_layer_h.running_var", position: [0])))
    }
}
