// Every form of PyTorch file loads to the same tensors as its plain twin, and every file of another kind is refused
// with a reason that names it.

import Support
import Testing

@testable import PixelCNNModel

@Suite struct PyTorchFileTests {
    @Test(arguments: [
        "module.pt", "module-protocol4.pt", "module-protocol5.pt", "checkpoint-model.pt", "legacy-module.pt",
    ])
    func wholeModulesLoadExactly(file: String) throws {
        let model = try Model.load(path: Fixture.path(file))
        #expect(model.hyperparameters == (try Fixture.hyperparameters()))
        #expect(model.source.format == .pyTorchModule)
        #expect(model.source.warnings == [])
        for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
    }

    @Test(arguments: [
        "state.pt", "state-protocol4.pt", "checkpoint-state_dict.pt", "checkpoint-model_state_dict.pt",
        "prefix-module.pt", "prefix-_orig_mod.pt", "prefix-module._orig_mod.pt", "prefix-model.pt", "strided.pt",
        "shared.pt", "gaps.pt",
        "cuda.pt", "f64.pt", "legacy.pt", "legacy-protocol4.pt", "legacy-checkpoint.pt", "legacy-shared.pt",
    ])
    func stateDictionariesLoadExactly(file: String) throws {
        let model = try Model.load(path: Fixture.path(file), height: 5, width: 4)
        #expect(model.hyperparameters == (try Fixture.hyperparameters()))
        #expect(model.source.format == .pyTorchStateDictionary)
        #expect(model.source.warnings == [])
        for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
    }

    @Test(arguments: [("f16", "f16-as-f32.pt"), ("bf16", "bf16-as-f32.pt"), ("f64", "state.pt")])
    func otherElementTypesConvertAsPyTorchDoes(type: String, twin: String) throws {
        let twin = try Model.load(path: Fixture.path(twin))
        for file in ["\(type).pt", "\(type).safetensors"] + (type == "f16" ? ["legacy-f16.pt"] : []) {
            let model = try Model.load(path: Fixture.path(file))
            #expect(model["in_conv.0.weight"].elementType.rawValue == type)
            for spec in model.hyperparameters.parameters {
                #expect(model[spec.name].floats() == twin[spec.name].floats())
            }
        }
    }

    @Test(arguments: ["input_shape.pt", "original-save.pt"])
    func theOriginalsFilesSayTheirSize(file: String) throws {
        let model = try Model.load(path: Fixture.path(file))
        #expect(model.hyperparameters == (try Fixture.hyperparameters()))
        #expect(model.source.warnings == [])
    }

    @Test func negatedViewsHaveTheirSign() throws {
        let model = try Model.load(path: Fixture.path("negated.pt"))
        for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
        // Read in place, they would have the other.
        model["out_conv.2.bias"].withFloats { #expect($0.elementsEqual(model["out_conv.2.bias"].floats())) }
    }

    @Test func aCheckpointHoldsMoreThanItsNetwork() throws {
        let model = try Model.load(path: Fixture.path("beside.pt"), height: 5, width: 4)
        for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
        #expect(
            model.source.warnings == [
                .unreadClasses(names: ["argparse.Namespace", "pathlib.PurePosixPath"], count: 2),
                .ignoredTensors(names: ["extra"], count: 1),
            ])
    }

    @Test(arguments: [(nil, 1), ("model", 1), ("ema", 0.5), ("ema.", 0.5), ("em", 0.5)] as [(String?, Float)])
    func aCopyOfTheNetworkIsTakenAndSaid(weights: String?, factor: Float) throws {
        let model = try Model.load(path: Fixture.path("copies.pt"), height: 5, width: 4, weights: weights)
        let expected = try Fixture.expected()
        for (name, floats) in expected { #expect(model[name].floats() == floats.map { $0 * factor }) }
        let taken = factor == 1 ? "model" : "ema"
        let left = factor == 1 ? "ema" : "model"
        #expect(model.source.weights == taken)
        #expect(model.source.warnings == [.severalCopies(taken: taken, left: [left], count: 1)])
        // A digest stands for the same numbers always; that of the usual copy is the file's.
        let file = try Fixture.bytes("copies.pt").withUnsafeBytes(SHA256.hexadecimal(of:))
        let other = Array("\(file)\nema\n".utf8).withUnsafeBytes(SHA256.hexadecimal(of:))
        #expect(model.source.sha256 == (factor == 1 ? file : other))
    }

    @Test func copiesThatAreNotThereAreRefusedWithThoseThatAre() throws {
        for (weights, problem) in [
            ("swa", ModelDataError.noSuchWeights("swa", found: ["model", "ema"])),
            ("", .noSuchWeights("", found: ["model", "ema"])),
        ] {
            #expect(throws: ModelFileError(file: Fixture.path("copies.pt"), .model(problem))) {
                try Model.load(path: Fixture.path("copies.pt"), weights: weights)
            }
        }
    }

    @Test func expandedTensorsRepeatTheirNumbers() throws {
        let model = try Model.load(path: Fixture.path("expanded.pt"))
        #expect(model["in_conv.0.bias"].floats() == [Float](repeating: 0, count: 6))
    }

    @Test func valuesBesideTheNetworkAreNotRead() throws {
        let model = try Model.load(path: Fixture.path("numpy.pt"), height: 5, width: 4)
        #expect(
            model.source.warnings
                == [.unreadClasses(names: ["numpy._core.multiarray.scalar", "numpy.dtype"], count: 2)])
        for (name, floats) in try Fixture.expected() { #expect(model[name].floats() == floats) }
    }

    @Test func stridedTensorsAreViews() throws {
        let model = try Model.load(path: Fixture.path("strided.pt"))
        #expect(model["in_conv.0.weight"].strides == [1, 6, 18, 126])
        #expect(!model["in_conv.0.weight"].isContiguous)
        #expect(try Model.load(path: Fixture.path("gaps.pt"))["in_conv.0.bias"].strides == [2])
    }

    @Test func tensorsComeInTheOrderOfTheStateDictionary() throws {
        let names = try Fixture.hyperparameters().description.tensors.map(\.name)
        for file in ["module.pt", "state.pt"] {
            #expect(try ModelContents.read(path: Fixture.path(file)).tensors.map(\.name) == names)
        }
    }

    @Test func imageSizeComesFromCallerThenFileThenDefault() throws {
        let module = try Model.load(path: Fixture.path("module.pt"), width: 9).hyperparameters
        #expect((module.height, module.width) == (5, 9))
        let state = try Model.load(path: Fixture.path("state.pt"), height: 7)
        #expect((state.hyperparameters.height, state.hyperparameters.width) == (7, 32))
        #expect(state.source.warnings.count == 1)
        #expect(state.source.warnings.first?.description.contains("7 × 32") == true)
    }

    @Test func imageSizesOutOfRangeAreRefused() throws {
        #expect {
            try Model.load(path: Fixture.path("state.pt"), height: 0)
        } throws: { error in
            (error as? ModelFileError)?.problem
                == .hyperparameters(.outOfRange(field: "height", found: 0, allowed: 1...4096))
        }
    }

    static let refused: [(String, ModelFileError.Problem)] = [
        ("other-module.pt", .pyTorch(.unexpectedClass("pixelcnn.GatedPixelCNN", path: ""))),
        ("other-kwargs.pt", .model(.otherNetwork(nil, evidence: "“net.0.weight” (6, 3, 7, 7) and 1 more"))),
        (
            "complex.pt",
            .model(
                .unreadTensor(
                    UnreadTensor(name: "in_conv.0.bias", type: "complex64", format: .pyTorchStateDictionary)))
        ),
        (
            "other-epsilon.pt",
            .pyTorch(.wrongLayer(path: "h_norm_layers.1", found: "eps 0.001", expected: "eps 1e-5"))
        ),
        (
            "other-activation.pt",
            .pyTorch(
                .wrongLayer(
                    path: "in_conv.1", found: "“torch.nn.modules.activation.GELU”",
                    expected: "torch.nn.modules.activation.ReLU"))
        ),
        ("list.pt", .pyTorch(.unexpectedContent(found: "a list"))),
        ("no-tensors.pt", .pyTorch(.noTensors(keys: ["“epoch”"]))),
    ]

    @Test(arguments: refused)
    func otherFilesAreRefusedByName(file: String, problem: ModelFileError.Problem) throws {
        #expect(try Fixture.problem(file: file) == problem)
    }

    @Test func hashIsThatOfTheFile() throws {
        // sha256sum of three bytes, from the standard's examples
        #expect(
            Array("abc".utf8).withUnsafeBytes(SHA256.hexadecimal(of:))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let source = try Model.load(path: Fixture.path("state.pt")).source
        let bytes = try Fixture.bytes("state.pt")
        #expect(source.sha256 == bytes.withUnsafeBytes(SHA256.hexadecimal(of:)))
        #expect(source.byteCount == bytes.count)
        #expect(source.path == Fixture.path("state.pt"))
    }
}
