// Class-conditional models: what each class adds is where the full forward pass has it, and an image's class is a
// matter of that image alone.

import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct ConditionalTests {
    /// A task of every kind for each class: drawn, drawn after given rows, scored.
    private func tasks(_ model: Model, height: Int, width: Int) -> [ImageTask] {
        let h = model.hyperparameters
        var generator = SplitMix(seed: 4)
        let values = (0..<h.channels * height * width).map { _ in
            UInt16.random(in: 0..<UInt16(h.colors), using: &generator)
        }
        let given = GivenPixels.rows(height / 2, of: values, height: height, width: width)
        return (0..<h.labels).flatMap { label in
            let parameters = SamplingParameters()
            return [
                ImageTask.Source.sample(seed: 3, index: 8, parameters: parameters),
                .sample(seed: 3, index: 9, parameters: parameters, given: given), .score(values: values),
            ].map { ImageTask(height: height, width: width, label: label, source: $0) }
        }
    }

    @Test(arguments: SmallModels.conditional.indices)
    func incrementalLogitsAreTheFullForwardPasssForEveryClass(_ index: Int) {
        let model = SmallModels.conditional[index].model
        let h = model.hyperparameters
        let (engine, reference) = (Engine(model: model), ReferenceNetwork(model: model))
        for (height, width) in [(h.height, h.width), (1, 9), (9, 1), (7, 2), (7, 3)] {
            var generator = SplitMix(seed: UInt64(height))
            let image = (0..<h.channels * height * width).map { _ in
                UInt16.random(in: 0..<UInt16(h.colors), using: &generator)
            }
            var seen: Set<[Float]> = []
            for label in 0..<h.labels {
                let expected = reference.logits(image, height: height, width: width, label: label)
                let logits = engine.logits(image, height: height, width: width, label: label)
                #expect(largestDifference(logits, expected) <= logitTolerance(expected), "\(height) × \(width)")
                #expect(seen.insert(logits).inserted, "two classes are the same")
            }
        }
    }

    @Test(arguments: SmallModels.conditional.indices)
    func classesShareABatchWithoutADifference(_ index: Int) {
        let model = SmallModels.conditional[index].model
        let engine = Engine(model: model)
        for (height, width) in [(6, 9), (5, 4)] {
            let tasks = tasks(model, height: height, width: width)
            #expect(engine.run(tasks) == tasks.map { engine.run([$0])[0] })
        }
    }

    @Test(arguments: SmallModels.conditional.indices, Precision.allCases)
    func everyInstructionSetGivesTheSameBits(_ index: Int, _ precision: Precision) {
        let model = SmallModels.conditional[index].model
        let tasks = tasks(model, height: 6, width: 9)
        let results = Kernels.available.map { kernels in
            Engine(model: model, kernels: kernels, precision: precision).run(tasks)
        }
        for result in results { #expect(result == results[0]) }
    }

    @Test(arguments: SmallModels.conditional.indices)
    func aSecondThreadChangesNoBit(_ index: Int) {
        let model = SmallModels.conditional[index].model
        let engine = Engine(model: model)
        for (height, width) in [(6, 3), (5, 40)] {
            for task in tasks(model, height: height, width: width) {
                #expect(engine.runWithHelp(task) == engine.run([task])[0])
            }
        }
    }

    @Test(arguments: SmallModels.conditional.indices)
    func theRestIsDrawnAsAfterDrawnRows(_ index: Int) {
        let engine = Engine(model: SmallModels.conditional[index].model)
        let h = engine.hyperparameters
        for label in 0..<h.labels {
            let whole = engine.sample(1, seed: 2, label: label)[0]
            for rows in 1...h.height {
                let given = GivenPixels.rows(rows, of: whole, height: h.height, width: h.width)
                let task = ImageTask(
                    height: h.height, width: h.width, label: label,
                    source: .sample(seed: 2, index: 0, parameters: SamplingParameters(), given: given))
                #expect(engine.run([task]) == [.values(whole)], "\(rows) rows of class \(label)")
            }
        }
    }

    /// The columns start the sums; zeros there are what an unconditional model starts with.
    @Test(arguments: SmallModels.conditional.indices)
    func classesThatAddNothingAreTheUnconditionalModelBitForBit(_ index: Int) throws {
        let model = SmallModels.conditional[index].model
        let h = model.hyperparameters
        let isLabel = { (name: String) in name.hasSuffix("_label.weight") }
        let zeroed = try Model(
            hyperparameters: h,
            tensors: h.parameters.map { spec in
                let zeros = Tensor(
                    name: spec.name, shape: spec.shape, floats: [Float](repeating: 0, count: spec.count))
                return isLabel(spec.name) ? zeros : model[spec.name]
            })
        let plain = try Hyperparameters(
            channels: h.channels, height: h.height, width: h.width, colors: h.colors, blocks: h.blocks,
            filters: h.filters, kernelSize: h.kernelSize, hidden: h.hidden)
        let unconditional = try Model(
            hyperparameters: plain, tensors: plain.parameters.map { model[$0.name] })
        let image = SmallModels.image(for: model, seed: 1)
        let expected = Engine(model: unconditional).logits(image, height: h.height, width: h.width)
        for label in 0..<h.labels {
            let logits = Engine(model: zeroed).logits(image, height: h.height, width: h.width, label: label)
            #expect(logits.map(\.bitPattern) == expected.map(\.bitPattern))
        }
    }
}
