// The engine in 16-bit integers: every instruction set gives the same bits, in whatever batch, and they are close to
// those of f32. That a product is what its definition says is tested in KernelTests; that logits of every network of
// the family are within their bound of the full forward pass, in PublishedNetworkTests.

import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct PrecisionTests {
    private static let models = (SmallModels.all + SmallModels.conditional).map(\.model)

    @Test(arguments: models.indices)
    func logitsOfIntegersAreTheSameBitsOnEveryInstructionSetAndNearThoseOfFloats(_ index: Int) throws {
        let model = Self.models[index]
        let h = model.hyperparameters
        let label = h.isConditional ? 2 : nil
        let image = SmallModels.image(for: model, seed: 3)
        let exact = Engine(model: model).logits(image, height: h.height, width: h.width, label: label)
        let portable = Kernels.available[Kernels.available.count - 1]
        let expected = Engine(model: model, kernels: portable, precision: .i16)
            .logits(image, height: h.height, width: h.width, label: label)
        let difference = EngineComparison.Difference(expected, expected: exact, precision: .i16)
        #expect(difference.isWithinBound && difference.largest > 0, "\(difference)")
        for kernels in Kernels.available {
            let engine = Engine(model: model, kernels: kernels, precision: .i16)
            let found = engine.logits(image, height: h.height, width: h.width, label: label)
            #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(kernels.name)")
        }
    }

    /// Bounds past every float, as a file's weights may make them, are no reason to end.
    @Test func weightsOfAnySizeArePacked() throws {
        let model = SmallModels.colour
        let large = try Model(
            hyperparameters: model.hyperparameters,
            tensors: model.hyperparameters.parameters.map { spec in
                Tensor(name: spec.name, shape: spec.shape, floats: model[spec.name].floats().map { $0 * 1e37 })
            })
        let image = SmallModels.image(for: model, seed: 3)
        let logits = Engine(model: large, precision: .i16).logits(image, height: 5, width: 4)
        #expect(logits.contains { !$0.isFinite })
    }

    @Test(arguments: SmallModels.all.indices)
    func imagesOfIntegersAreTheSameAloneInBatchesAfterPrefillAndOnTwoThreads(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model, precision: .i16)
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
}
