// `pixelcnn-train verify` as a user runs it: every model file that the repository has is served within the bound, and a
// model beyond it is reported by exit code 1.

import Foundation
import PixelCNNModel
import TestSupport
import Testing

@Suite struct VerifyTests {
    private static let models = Fixture.folder.deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Models")

    private static let files: [(file: String, arguments: [String])] =
        Fixture.committed.values.sorted().map { (Fixture.folder.appending(path: $0).path, []) } + [
            (models.appending(path: "digits8.safetensors").path, ["-n", "1"]),
            (models.appending(path: "digits28.safetensors").path, ["-n", "1"]),
            (models.appending(path: "emoji32.safetensors").path, ["-n", "1", "--height", "16", "--width", "20"]),
        ]

    @Test(arguments: files.indices, ["f32", "i16"])
    func everyModelIsExact(_ index: Int, _ precision: String) throws {
        let (file, arguments) = Self.files[index]
        let outcome = try TrainProgram.run(["verify", file, "--precision", precision] + arguments)
        #expect(outcome.code == 0, "\(outcome.errors)")
        let result = precision == "f32" ? "exact" : "within the bound"
        #expect(outcome.output.contains("result      \(result)\n") && outcome.output.contains(", \(precision), "))
        #expect(outcome.output.contains(" random, ") && outcome.output.contains(", seed 1\n"))
    }

    @Test func imagesMayBeGivenWithTheirClasses() throws {
        func path(_ name: String) -> String { Fixture.folder.appending(path: name).path }
        let gray = try TrainProgram.run(["verify", path("gray.safetensors"), path("gray-images.npy"), "-n", "1"])
        #expect(gray.code == 0 && gray.output.contains("images      1 of "), "\(gray.errors)")
        let classes = ["--labels", path("conditional-labels.npy")]
        let model = [path("conditional.pt"), path("conditional-images.npy")]
        let conditional = try TrainProgram.run(["verify"] + model + classes)
        #expect(conditional.code == 0 && conditional.output.contains("result      exact\n"), "\(conditional.errors)")
        #expect(try TrainProgram.run(["verify"] + model + ["--label", "1", "--threads", "1"]).code == 0)
        #expect(try TrainProgram.run(["verify"] + model).code == 65)
        let unknown = try TrainProgram.run(["verify"] + model + ["--label", "none"])
        #expect(unknown.code == 64 && unknown.errors.contains("--label is none"))
        // At another size than they have.
        let resized = try TrainProgram.run(
            ["verify", path("gray.safetensors"), path("gray-images.npy"), "-n", "1", "--size", "5x4"])
        #expect(resized.code == 0 && resized.output.contains(", 1 × 5 × 4, in "), "\(resized.errors)")
    }

    /// Weights so large that logits are not finite are ones that no bound covers.
    @Test func aModelBeyondTheBoundEndsWithOne() throws {
        let folder = try TemporaryFolder()
        let model = SmallModels.colour
        let tensors = model.hyperparameters.parameters.map { spec in
            let floats = model[spec.name].floats()
            let isLarge = spec.name == "out_conv.0.weight"
            return Tensor(name: spec.name, shape: spec.shape, floats: isLarge ? floats.map { $0 * 1e38 } : floats)
        }
        try Model(hyperparameters: model.hyperparameters, tensors: tensors)
            .writeSafetensors(to: folder.path("large.safetensors"))
        let outcome = try TrainProgram.run(["verify", folder.path("large.safetensors"), "-n", "2"])
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("result      2 of 2 images beyond the bound\n"))
        #expect(outcome.errors.contains("not within the bound"))
    }

    @Test func wrongUsageIsRefused() throws {
        let file = Fixture.folder.appending(path: "gray.safetensors").path
        for arguments in [
            ["-n", "0"], ["--threads", "0"], ["--labels", "x.npy"], ["x.npy", "--height", "5"], ["--size", "5"],
        ] {
            #expect(try TrainProgram.run(["verify", file] + arguments).code == 64, "\(arguments)")
        }
        #expect(try TrainProgram.run(["verify", "none.pt"]).code == 66)
        let former = try TrainProgram.run(["verify", file, "--precision", "bf16"])
        #expect(former.code == 64 && former.errors.contains("bf16 is no more"), "\(former.errors)")
    }
}
