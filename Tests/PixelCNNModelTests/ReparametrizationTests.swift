// Weights stored as what PyTorch computes them from, held against PyTorch's own removal.

import Foundation
import TestSupport
import Testing

@testable import PixelCNNModel

@Suite struct ReparametrizationTests {
    /// A norm's sum of squares is rounded otherwise in PyTorch; a product is not.
    private static let tolerance: [Reparametrization: Float] = [
        .pruning: 0, .weightNorm: 0x1p-19, .spectralNorm: 0x1p-19,
    ]

    @Test(.enabled(if: PyTorch.isAvailable, Comment(rawValue: PyTorch.absence)))
    func weightsAreThoseOfPyTorchsRemoval() throws {
        let folder = try PyTorchForms.written()
        for (kind, names) in [
            (Reparametrization.pruning, ["pruned", "pruned-channels"]),
            (
                .weightNorm,
                ["weight_norm", "weight_norm-dim1", "weight_norm-all", "weight_norm-new", "weight_norm-new-dim3"]
            ),
            (.spectralNorm, ["spectral_norm", "spectral_norm-new"]),
        ] {
            for name in names {
                let model = try Model.load(path: folder.path("\(name).pt"), height: 6, width: 5)
                let removed = try Model.load(path: folder.path("\(name)-removed.pt"), height: 6, width: 5)
                let difference = PyTorchForms.largestDifference(model, removed)
                print("\(name): largest relative difference \(difference)")
                #expect(difference <= Self.tolerance[kind] ?? 0, "\(name)")
                #expect(model.source.warnings == [.folded(kind, count: 13)], "\(name)")
                let plain = try Model.load(path: folder.path("state.pt"), height: 6, width: 5)
                #expect(PyTorchForms.largestDifference(model, plain) > 0.01, "\(name): is it the plain network?")
            }
        }
        #expect {
            try Model.load(path: folder.path("orthogonal.pt"))
        } throws: { error in
            (error as? ModelFileError)?.problem
                == .model(
                    .reparametrized(
                        tensor: "in_conv.0.weight", from: "in_conv.0.parametrizations.weight.original"))
                && "\(error)".contains("remove_parametrizations")
        }
    }

    private func names(_ tensors: [Tensor]) -> [String] { Reparametrization.folded(tensors).tensors.map(\.name) }

    private func tensor(_ name: String, _ shape: Int...) -> Tensor {
        Tensor(name: name, shape: shape, floats: [Float](repeating: 2, count: shape.reduce(1, *)))
    }

    @Test func onlyWhatPyTorchSavesIsComputed() {
        let (g, v) = (tensor("a.weight_g", 4, 1), tensor("a.weight_v", 4, 3))
        #expect(names([v, tensor("b", 1), g]) == ["b", "a.weight"])
        // A length of another shape, a part that is missing, and a weight that is there besides.
        #expect(names([tensor("a.weight_g", 3, 1), v]).count == 2)
        #expect(names([tensor("a.weight_g", 4, 3), v]).count == 2)
        #expect(names([g]) == ["a.weight_g"])
        #expect(names([g, v, tensor("a.weight", 4, 3)]).count == 3)
        // Two steps, of which the order is not said.
        let weight = "a.parametrizations.weight"
        let (g0, v0) = (tensor("\(weight).original0", 4, 1), tensor("\(weight).original1", 4, 3))
        #expect(names([g0, v0]) == ["a.weight"])
        #expect(names([g0, v0, tensor("\(weight).1._u", 4)]).count == 3)
        #expect(names([tensor("\(weight).original", 4, 3)]).count == 1)
        #expect(
            names([tensor("a.weight_orig", 4, 3), tensor("a.weight_u", 4), tensor("a.weight_v", 3)]) == ["a.weight"])
        #expect(
            names([
                tensor("a.weight_orig", 4, 3), tensor("a.weight_mask", 4, 3), tensor("a.weight_u", 4),
                tensor("a.weight_v", 3),
            ]).count == 4)
        #expect(names([tensor("a.weight_orig", 4, 3), tensor("a.weight_u", 3), tensor("a.weight_v", 4)]).count == 3)
        #expect(names([tensor("a.weight_orig", 0, 3), tensor("a.weight_mask", 0, 3)]) == ["a.weight"])
        #expect(names([tensor("a.weight_g", 1, 1), tensor("a.weight_v", 0, 1)]).count == 2)
    }
}

/// What Tests/Oracle/write_forms.py writes.
enum PyTorchForms {
    /// A folder of its files.
    static func written() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let run = try PyTorch.run(["write_forms.py", folder.url.path])
        try #require(run.status == 0, "\(run.output)")
        return folder
    }

    /// The largest difference of two weights, relative to the second where that is not 0.
    static func largestDifference(_ model: Model, _ other: Model) -> Float {
        var largest: Float = model.hyperparameters == other.hyperparameters ? 0 : .infinity
        for spec in model.hyperparameters.parameters {
            for (a, b) in zip(model[spec.name].floats(), other[spec.name].floats()) {
                largest = max(largest, abs(a - b) / (b == 0 ? 1 : abs(b)))
            }
        }
        return largest
    }
}
