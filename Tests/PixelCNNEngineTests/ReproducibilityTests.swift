// The reproducibility contract: an image's bytes depend on its request alone.

import PixelCNNKernels
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct ReproducibilityTests {
    @Test func imagesAreTheSameAloneAndInBatches() throws {
        let engine = Engine(model: try Fixture("tiny").model)
        let crowd = engine.sample(64, seed: 5)
        let seven = engine.sample(7, seed: 5)
        #expect(crowd[..<7] == seven[...])
        for i in [0, 1, 6, 40, 63] {
            #expect(engine.sample(1, seed: 5, first: UInt64(i)) == [crowd[i]])
        }
        #expect(Set(crowd).count == 64)
    }

    @Test(arguments: SmallModels.all.indices)
    func everyInstructionSetDrawsAndScoresTheSameBits(_ index: Int) {
        let model = SmallModels.all[index].model
        let h = model.hyperparameters
        let image = SmallModels.image(for: model, seed: 2)
        let results = Kernels.available.map { kernels in
            let engine = Engine(model: model, kernels: kernels)
            let parameters = SamplingParameters(temperature: 0.9, topP: 0.95)
            return (
                engine.sample(5, seed: 11), engine.sample(3, seed: 11, parameters: parameters),
                engine.logits(image, height: h.height, width: h.width).map(\.bitPattern)
            )
        }
        for result in results {
            #expect(result.0 == results[0].0)
            #expect(result.1 == results[0].1)
            #expect(result.2 == results[0].2)
        }
    }

    /// Rows of less than a piece, of several, and wider than what a helper thread may take over at once.
    @Test(arguments: SmallModels.all.indices, Precision.allCases)
    func columnsSideBySideGiveTheBitsOfPixelsOneByOne(_ index: Int, _ precision: Precision) {
        let engine = Engine(model: SmallModels.all[index].model, precision: precision)
        let h = engine.hyperparameters
        for (height, width) in [(h.height, h.width), (3, 1), (4, 33), (3, 70)] {
            let image = (0..<h.channels * height * width).map { UInt16($0 * 7 % h.colors) }
            let pixels = engine.logits(image, height: height, width: width)
            let columns = engine.logits(image, height: height, width: width, byColumns: true)
            #expect(columns.map(\.bitPattern) == pixels.map(\.bitPattern), "\(height) × \(width)")
            let task = ImageTask(height: height, width: width, source: .score(values: image))
            #expect(engine.runWithHelp(task) == engine.run([task])[0], "\(height) × \(width)")
        }
    }

    @Test func imagesThatJoinLateAndDifferInSizeDisturbNobody() {
        let model = SmallModels.colour
        let engine = Engine(model: model)
        let sizes = [(5, 4), (3, 9), (8, 2), (5, 4), (1, 1), (6, 6)]
        let tasks = sizes.enumerated().map { i, size in
            let values = (0..<3 * size.0 * size.1).map { UInt16($0 % 20) }
            return ImageTask(
                height: size.0, width: size.1,
                source: i == 3
                    ? .score(values: values) : .sample(seed: 3, index: UInt64(i), parameters: SamplingParameters()))
        }
        let alone = tasks.map { engine.run([$0])[0] }
        let session = SamplingSession(engine: engine, capacity: tasks.count)
        var results: [Int: ImageResult] = [:]
        for (tag, task) in tasks.enumerated() {
            session.add(task, tag: tag)
            for _ in 0..<3 { session.step { results[$0] = $1 } }
        }
        while session.count > 0 { session.step { results[$0] = $1 } }
        #expect(tasks.indices.map { results[$0] } == alone)
    }

    @Test func droppedImagesLeaveTheOthersAlone() {
        let engine = Engine(model: SmallModels.colour)
        let session = SamplingSession(engine: engine, capacity: 5)
        for i in 0..<5 {
            let source = ImageTask.Source.sample(seed: 1, index: UInt64(i), parameters: SamplingParameters())
            session.add(ImageTask(height: 5, width: 4, source: source), tag: i)
        }
        for _ in 0..<6 { session.step { _, _ in } }
        session.removeAll { $0 % 2 == 0 }
        #expect(session.count == 2)
        var results: [Int: ImageResult] = [:]
        while session.count > 0 { session.step { results[$0] = $1 } }
        let expected = engine.sample(5, seed: 1)
        #expect(results == [1: .values(expected[1]), 3: .values(expected[3])])
    }

    @Test func seedAndIndexReachTheirLimits() {
        let engine = Engine(model: SmallModels.colour)
        let last = engine.sample(1, seed: .max, first: .max)
        #expect(last == engine.sample(1, seed: .max, first: .max))
        #expect(last != engine.sample(1, seed: .max - 1, first: .max))
        #expect(last != engine.sample(1, seed: .max, first: .max - 1))
    }
}
