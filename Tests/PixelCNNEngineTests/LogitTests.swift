// Exactness: incremental logits against PyTorch's and against the full forward pass, every position, teacher-forced.

import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct LogitTests {
    @Test(arguments: Fixture.all)
    func incrementalLogitsArePyTorchs(_ name: String) throws {
        let fixture = try Fixture(name)
        let engine = Engine(model: fixture.model)
        for (i, image) in fixture.images.enumerated() {
            let expected = fixture.logits[i]
            let logits = engine.logits(
                image, height: fixture.height, width: fixture.width, label: fixture.labels[i])
            let (difference, bound) = (largestDifference(logits, expected), logitTolerance(expected))
            print("\(name): largest difference \(difference), bound \(bound)")
            #expect(difference <= bound)
        }
    }

    @Test(arguments: Fixture.all)
    func scoresArePyTorchsLogProbabilities(_ name: String) throws {
        let fixture = try Fixture(name)
        let tasks = zip(fixture.images, fixture.labels).map { image, label in
            ImageTask(height: fixture.height, width: fixture.width, label: label, source: .score(values: image))
        }
        for (result, (expected, logits)) in zip(
            Engine(model: fixture.model).run(tasks), zip(fixture.logProbabilities, fixture.logits))
        {
            guard case .logProbabilities(let scores) = result else { Issue.record("no scores"); return }
            #expect(largestDifference(scores, expected) <= 2 * logitTolerance(logits))
        }
    }

    @Test(arguments: SmallModels.all.indices)
    func incrementalLogitsAreTheFullForwardPasss(_ index: Int) {
        let model = SmallModels.all[index].model
        let h = model.hyperparameters
        let (engine, reference) = (Engine(model: model), ReferenceNetwork(model: model))
        // The network is convolutional: other sizes than the model's own, one row and one column included.
        for (height, width) in [(h.height, h.width), (1, 9), (9, 1), (7, 2), (7, 3), (h.height + 5, h.width + 3)] {
            var generator = SplitMix(seed: UInt64(height))
            let image = (0..<h.channels * height * width).map { _ in
                UInt16.random(in: 0..<UInt16(h.colors), using: &generator)
            }
            let expected = reference.logits(image, height: height, width: width)
            let difference = largestDifference(engine.logits(image, height: height, width: width), expected)
            #expect(difference <= logitTolerance(expected), "\(SmallModels.all[index].name), \(height) × \(width)")
        }
    }

    @Test(arguments: SmallModels.all.indices)
    func changingAnyValueLeavesEarlierLogitsBitIdentical(_ index: Int) {
        let model = SmallModels.all[index].model
        let h = model.hyperparameters
        let engine = Engine(model: model)
        let image = SmallModels.image(for: model, seed: 1)
        let area = h.height * h.width
        /// Logits in the order in which values are drawn: position = pixel · C + channel.
        func inOrder(_ image: [UInt16]) -> [[UInt32]] {
            let logits = engine.logits(image, height: h.height, width: h.width)
            return (0..<image.count).map { position in
                let place = position % h.channels * area + position / h.channels
                return (0..<h.colors).map { logits[$0 * image.count + place].bitPattern }
            }
        }
        let before = inOrder(image)
        for position in image.indices {
            var changed = image
            let place = position % h.channels * area + position / h.channels
            changed[place] = (changed[place] + 1) % UInt16(h.colors)
            let after = inOrder(changed)
            #expect(after[...position] == before[...position], "value \(position)")
            if position + 1 < image.count {
                #expect(after[(position + 1)...] != before[(position + 1)...], "value \(position) is seen by none")
            }
        }
    }
}
