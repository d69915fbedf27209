// bf16 weights are float weights that were rounded before: an exact oracle. What is rounded, and how, is written here a
// second time, from docs/MODEL.md.

import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct PrecisionTests {
    /// To the nearest bf16, ties to even, by comparing the two neighbours.
    private func nearest(_ value: Float) -> Float {
        let down = Float(bitPattern: value.bitPattern & 0xffff_0000)
        let up = Float(bitPattern: down.bitPattern + 0x1_0000)  // away from zero
        let (below, above) = (abs(Double(value) - Double(down)), abs(Double(up) - Double(value)))
        if below == above { return down.bitPattern & 0x1_0000 == 0 ? down : up }
        return below < above ? down : up
    }

    /// The model with the weights of in_conv, h_conv, htoh and out_conv rounded.
    private func rounded(_ model: Model) throws -> Model {
        let h = model.hyperparameters
        let roundedNames = ["in_conv.0.weight", "out_conv.0.weight", "out_conv.2.weight"]
        return try Model(
            hyperparameters: h,
            tensors: h.parameters.map { spec in
                let floats = model[spec.name].floats()
                let isRounded =
                    roundedNames.contains(spec.name) || spec.name.hasSuffix(".h_conv.weight")
                    || spec.name.hasSuffix(".htoh.weight")
                return Tensor(name: spec.name, shape: spec.shape, floats: isRounded ? floats.map(nearest) : floats)
            })
    }

    private static let models = (SmallModels.all + SmallModels.conditional).map(\.model)

    @Test(arguments: models.indices)
    func bfloat16LogitsAreThoseOfWeightsRoundedBeforehandBitForBit(_ index: Int) throws {
        let model = Self.models[index]
        let h = model.hyperparameters
        let label = h.isConditional ? 2 : nil
        let image = SmallModels.image(for: model, seed: 3)
        let rounded = try rounded(model)
        let exact = Engine(model: model).logits(image, height: h.height, width: h.width, label: label)
        for kernels in Kernels.available {
            let engine = Engine(model: model, kernels: kernels, precision: .bf16)
            let expected = Engine(model: rounded, kernels: kernels)
                .logits(image, height: h.height, width: h.width, label: label)
            let found = engine.logits(image, height: h.height, width: h.width, label: label)
            #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(kernels.name)")
            #expect(found != exact, "nothing was rounded")
        }
    }

    @Test(arguments: SmallModels.all.indices)
    func bfloat16ImagesAreTheSameAloneInBatchesAfterPrefillAndOnTwoThreads(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model, precision: .bf16)
        let h = engine.hyperparameters
        let crowd = engine.sample(9, seed: 5)
        for i in [0, 8] {
            func task(given: Int) -> ImageTask {
                let rows = GivenPixels.rows(given, of: crowd[i], height: h.height, width: h.width)
                return ImageTask(
                    height: h.height, width: h.width,
                    source: .sample(seed: 5, index: UInt64(i), parameters: SamplingParameters(), given: rows))
            }
            #expect(engine.run([task(given: 0)]) == [.values(crowd[i])])
            #expect(engine.run([task(given: 2)]) == [.values(crowd[i])])
            #expect(engine.runWithHelp(task(given: 0)) == .values(crowd[i]))
        }
    }

    @Test func roundsToNearestAndTiesToEven() {
        let values: [(Float, UInt16)] = [
            (0, 0), (-0.0, 0x8000), (1, 0x3f80), (1 + 0x1p-8, 0x3f80), (1 + 0x1p-7 + 0x1p-8, 0x3f82),
            (1 + 0x1p-8 + 0x1p-20, 0x3f81), (-1 - 0x1p-7, 0xbf81), (0x1p-149, 0), (.infinity, 0x7f80),
        ]
        for (value, expected) in values { #expect(Precision.bfloat16(value) == expected, "\(value)") }
    }
}
