// Class-conditional models: two more tensors a block, and names for the classes, in every form of file.

import Foundation
import Testing

@testable import PixelCNNModel

@Suite struct ConditionalModelTests {
    private static let names = ["circle", "square", "Fünfeck", "3", #"say "\""#]

    private func hyperparameters(labels: Int = 5) throws -> Hyperparameters {
        try Hyperparameters(
            channels: 3, height: 5, width: 4, colors: 4, blocks: 2, filters: 6, kernelSize: 3, hidden: 12,
            labels: labels)
    }

    private func model(names: [String] = names) throws -> Model {
        let random = Model.random(try hyperparameters(), seed: 3)
        return try Model(
            hyperparameters: random.hyperparameters, tensors: random.hyperparameters.parameters.map { random[$0.name] },
            labelNames: names)
    }

    private func problem(
        _ tensors: [Tensor], labels: Int = 5, names: [String] = []
    ) throws -> ModelFileError.Problem? {
        let hyperparameters = try hyperparameters(labels: labels)
        do throws(ModelFileError) {
            _ = try Model(hyperparameters: hyperparameters, tensors: tensors, labelNames: names)
            return nil
        } catch {
            return error.problem
        }
    }

    @Test(arguments: [
        ("conditional-module.pt", []), ("conditional-state.pt", []), ("conditional-checkpoint.pt", names),
        ("conditional-checkpoint-model.pt", names), ("conditional-named-state.pt", names),
        ("conditional-named-module.pt", names),
    ])
    func everyFormLoadsWithTheNamesItHas(file: String, names: [String]) throws {
        let model = try Model.load(path: Fixture.path(file), height: 5, width: 4)
        #expect(model.hyperparameters == (try hyperparameters()))
        #expect(model.hyperparameters.isConditional)
        #expect(model.source.warnings == [])
        #expect(model.labelNames == names)
        var expected = try Fixture.bytes("conditional.f32")[...]
        for spec in model.hyperparameters.parameters {
            let floats = expected.prefix(4 * spec.count).withUnsafeBytes { bytes in
                (0..<spec.count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
            }
            expected = expected.dropFirst(4 * spec.count)
            #expect(model[spec.name].floats() == floats)
        }
        #expect(expected.isEmpty)
    }

    @Test(arguments: ["out.pt", "out.safetensors"], [[], names, ["a", "b", "\\\u{308}\"\u{301}", "d", "\u{308}"]])
    func whatIsWrittenReadsBackEqual(file: String, names: [String]) throws {
        let model = try model(names: names)
        try Fixture.withFolder { folder in
            let path = folder.appending(path: file).path
            if file.hasSuffix(".pt") { try model.writePyTorch(to: path) } else { try model.writeSafetensors(to: path) }
            let read = try Model.load(path: path, height: 5, width: 4)
            #expect(read.hyperparameters == model.hyperparameters)
            #expect(read.labelNames == names)
            #expect(read.source.warnings == [])
            for spec in model.hyperparameters.parameters {
                #expect(read[spec.name].floats() == model[spec.name].floats())
            }
        }
    }

    @Test func unconditionalFilesSayNothingOfClasses() throws {
        try Fixture.withFolder { folder in
            let model = Model.random(try Fixture.hyperparameters(), seed: 3)
            for file in ["out.pt", "out.safetensors"] {
                let url = folder.appending(path: file)
                if file.hasSuffix(".pt") {
                    try model.writePyTorch(to: url.path)
                } else {
                    try model.writeSafetensors(to: url.path)
                }
                #expect(try Data(contentsOf: url).firstRange(of: Data("label".utf8)) == nil)
            }
        }
    }

    @Test func everyBlockHasBothLabelTensorsForTheSameClasses() throws {
        let model = try model()
        let tensors = model.hyperparameters.parameters.map { model[$0.name] }
        let last = "gated_layers.1.h_label.weight"
        #expect(try problem(tensors.filter { $0.name != last }) == .model(.missingTensor(last)))
        let narrow = Tensor(name: last, shape: [12, 4], floats: [Float](repeating: 0, count: 48))
        #expect(
            try problem(tensors.filter { $0.name != last } + [narrow])
                == .model(.shapeMismatch(tensor: last, expected: "(12, 5)", found: [12, 4])))
        let infinite = Tensor(name: last, shape: [12, 5], floats: [Float](repeating: .infinity, count: 60))
        #expect(
            try problem(tensors.filter { $0.name != last } + [infinite])
                == .model(.notFinite(tensor: last, position: [0, 0])))
    }

    @Test func filesWhoseTensorsOrNamesDoNotFitAreRefused() throws {
        let bytes = try Fixture.withFolder { folder in
            let file = folder.appending(path: "m.safetensors")
            try model().writeSafetensors(to: file.path)
            return [UInt8](try Data(contentsOf: file))
        }
        func problem(_ old: String, _ new: String) throws -> ModelFileError.Problem? {
            try Fixture.problem(bytes.replacing(old, with: new), name: "m.safetensors")
        }
        #expect(
            try problem("gated_layers.0.v_label", "gated_layers.0.x_label")
                == .model(.missingTensor("gated_layers.0.v_label.weight")))
        #expect(
            try problem("\"pixelcnn.labels\":\"5\"", "\"pixelcnn.labels\":\"6\"")
                == .model(
                    .contradiction(field: "labels", declared: 6, shapes: 5, tensor: "gated_layers.0.v_label.weight")))
        #expect(
            try problem(#"\"circle\",\"square\","#, #"\"circle,square\",    "#)
                == .model(.labelNameCount(found: 4, labels: 5)))
        #expect(
            try problem(#""[\"circle\""#, #""(\"circle\""#)
                == .safetensors(.malformedLabelNames(found: #"("circle","square","Fünfeck","3","say \"\\\""]"#)))
    }

    @Test(arguments: [
        (["a", "b", "c", "d"], ModelDataError.labelNameCount(found: 4, labels: 5)),
        (["a", "b", "", "d", "e"], .unusableLabelName("", label: 2)),
        (["a", "b", "c\n", "d", "e"], .unusableLabelName("c\n", label: 2)),
        (["a", "b", "3", "d", "e"], .unusableLabelName("3", label: 2)),
        (
            ["a", "b", String(repeating: "c", count: 65), "d", "e"],
            .unusableLabelName(String(repeating: "c", count: 65), label: 2)
        ),
        (["a", "b", "A", "d", "e"], .duplicateLabelName("A")),
    ])
    func namesThatWouldBeAmbiguousAreRefused(names: [String], error: ModelDataError) throws {
        let model = try model(names: [])
        let tensors = model.hyperparameters.parameters.map { model[$0.name] }
        #expect(try problem(tensors, names: names) == .model(error))
    }

    @Test func namesThatAreNoTextsAreAWarning() throws {
        let bytes = try Fixture.bytes("conditional-named-state.pt")
        // The first name's text becomes a number: X, length, “circle” in the pickle.
        var pickle = [UInt8]("X".utf8) + [6, 0, 0, 0] + Array("circle".utf8)
        let number: [UInt8] = Array("J".utf8) + [1, 0, 0, 0] + Array("0J".utf8) + [1, 0, 0, 0]
        #expect(pickle.count == number.count)
        pickle = bytes.replacing(pickle, with: number)
        try Fixture.withFile(pickle) { path in
            let model = try Model.load(path: path, height: 5, width: 4)
            #expect(model.labelNames == [])
            #expect(
                model.source.warnings.map(\.description) == [
                    "label_names is ignored: it is a list, not a list of texts"
                ])
        }
    }
}
