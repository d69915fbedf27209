// The other published networks, from the files of Tests/Fixtures/published: the same contracts as the original's. Their
// logits are compared with PyTorch's in LogitTests.
//
// Sizes, classes and precisions each matter to another part of the engine, so not every one of them meets every other.

import AllocationCount
import Foundation
import ImageFormats
import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct PublishedNetworkTests {
    private static let names = Fixture.published.keys.sorted()
    private static let sizes = [(6, 9), (1, 8), (8, 1), (7, 2), (12, 3)]

    /// Every size in floats; integers meet the same rows and columns.
    private static func sizes(_ precision: Precision) -> [(Int, Int)] {
        precision == .f32 ? sizes : Array(sizes.prefix(1))
    }

    private struct Network {
        let model: Model
        let labels: [Int?]

        init(_ name: String) throws {
            model = try Fixture(name).model
            let count = model.description.labels
            labels = count > 0 ? [1, count - 1, 0] : [nil]
        }

        func image(_ height: Int, _ width: Int, seed: UInt64) -> [UInt16] {
            var generator = SplitMix(seed: seed)
            let last = UInt16(model.description.colors - 1)
            return (0..<model.description.channels * height * width).map { _ in
                UInt16.random(in: 0...last, using: &generator)
            }
        }

        /// Each class in turn.
        func label(_ index: Int) -> Int? { labels[index % labels.count] }

        /// Tasks of every kind, and of every class.
        func tasks(_ height: Int, _ width: Int) -> [ImageTask] {
            let values = image(height, width, seed: 4)
            let mask = (0..<height * width).map { $0 % 3 != 0 && $0 < height * width - 2 }
            let parameters = SamplingParameters(
                temperature: 0.9, topK: max(2, model.description.colors / 2), topP: 0.95)
            let sources = [
                ImageTask.Source.sample(seed: 3, index: 8, parameters: SamplingParameters()),
                .sample(seed: 3, index: 9, parameters: parameters), .score(values: values),
                .sample(
                    seed: 3, index: 10, parameters: parameters,
                    given: .rows(height / 2, of: values, height: height, width: width)),
                .sample(
                    seed: 3, index: 10, parameters: parameters,
                    given: GivenPixels(height: height, width: width, values: values, kept: .mask(mask))),
            ]
            return sources.enumerated().map { i, source in
                ImageTask(height: height, width: width, label: label(i), source: source)
            }
        }
    }

    @Test(arguments: names, Precision.allCases)
    func incrementalLogitsAreTheFullForwardPasssAtEverySize(_ name: String, _ precision: Precision) throws {
        let network = try Network(name)
        let engine = Engine(model: network.model, precision: precision)
        let comparison = EngineComparison(model: network.model, engine: engine)
        for (i, (height, width)) in Self.sizes(precision).enumerated() {
            for label in i == 0 ? network.labels : [network.label(i)] {
                let image = network.image(height, width, seed: UInt64(height))
                let difference = comparison.difference(image, height: height, width: width, label: label)
                #expect(difference.isWithinBound, "\(height) × \(width): \(difference)")
                func bits(byColumns: Bool) -> [UInt32] {
                    engine.logits(image, height: height, width: width, label: label, byColumns: byColumns)
                        .map(\.bitPattern)
                }
                #expect(bits(byColumns: true) == bits(byColumns: false), "\(height) × \(width)")
            }
        }
    }

    /// Of the first pixel and the last, of pixels at each edge and of two in the middle, each colour.
    @Test(arguments: names)
    func changingAValueLeavesEarlierLogitsBitIdentical(_ name: String) throws {
        let network = try Network(name)
        let (engine, h) = (Engine(model: network.model), network.model.description)
        let (height, width) = (5, 6)
        let area = height * width
        let image = network.image(height, width, seed: 1)
        func inOrder(_ image: [UInt16]) -> [[UInt32]] {
            let logits = engine.logits(image, height: height, width: width, label: network.labels[0])
            return (0..<image.count).map { position in
                let place = position % h.channels * area + position / h.channels
                return (0..<h.colors).map { logits[$0 * image.count + place].bitPattern }
            }
        }
        let before = inOrder(image)
        let positions = image.indices.filter { [0, 3, 11, 12, 15, 20, 29].contains($0 / h.channels) }
        var seen = 0
        for position in positions {
            var changed = image
            let place = position % h.channels * area + position / h.channels
            changed[place] = (changed[place] + 1) % UInt16(h.colors)
            let after = inOrder(changed)
            // Where all channels are drawn from one pass, none of a pixel sees another.
            let unchanged = h.features.count == 1 ? (position / h.channels + 1) * h.channels - 1 : position
            #expect(after[...unchanged] == before[...unchanged], "value \(position)")
            if after != before { seen += 1 }
        }
        #expect(seen > positions.count / 2)
    }

    @Test(arguments: names, Precision.allCases)
    func everyInstructionSetBatchAndSecondThreadGivesTheSameBytes(_ name: String, _ precision: Precision) throws {
        let network = try Network(name)
        let engines = Kernels.available.map { Engine(model: network.model, kernels: $0, precision: precision) }
        for (height, width) in Self.sizes(precision) {
            let tasks = network.tasks(height, width)
            let alone = tasks.map { engines[0].run([$0])[0] }
            for engine in engines { #expect(engine.run(tasks) == alone, "\(engine.instructionSet), together") }
            for (task, expected) in zip(tasks, alone) {
                #expect(engines[0].runWithHelp(task) == expected, "two threads")
                #expect(engines[0].runWithHelp(task, pieces: 3) == expected, "a thread that comes and goes")
            }
        }
    }

    /// Images of other sizes join and leave meanwhile.
    @Test(arguments: names)
    func companyChangesNoByte(_ name: String) throws {
        let network = try Network(name)
        let engine = Engine(model: network.model)
        let tasks = [(5, 7), (3, 9), (6, 4)].flatMap { network.tasks($0, $1) }
        let session = SamplingSession(engine: engine, capacity: 4)
        var results: [Int: ImageResult] = [:]
        for (tag, task) in tasks.enumerated() {
            while session.count == 4 { session.step { results[$0] = $1 } }
            session.add(task, tag: tag)
            for _ in 0..<tag % 3 { session.step { results[$0] = $1 } }
        }
        while session.count > 0 { session.step { results[$0] = $1 } }
        for (tag, task) in tasks.enumerated() { #expect(results[tag] == engine.run([task])[0]) }
    }

    /// With a prefix cache, which is cold, then warm, and keeps checkpoints of drawn images, too.
    @Test(arguments: names)
    func theRestIsDrawnAsAfterDrawnRows(_ name: String) throws {
        let network = try Network(name)
        let engine = Engine(model: network.model)
        for (i, (height, width)) in [(6, 9), (9, 2)].enumerated() {
            func draw(given: GivenPixels?) -> ImageTask {
                ImageTask(
                    height: height, width: width, label: network.label(i),
                    source: .sample(seed: 2, index: 5, parameters: SamplingParameters(), given: given))
            }
            let whole = engine.run([draw(given: nil)])[0]
            guard case .values(let values) = whole else { Issue.record("no values"); return }
            for rowsBetween in [1, 2] {
                let cache = PrefixCache()
                let session = SamplingSession(
                    engine: engine, capacity: 2, prefixCache: cache, rowsBetweenCheckpoints: rowsBetween)
                for rows in Array(0...height) + Array(1..<height).reversed() {
                    let given = GivenPixels.rows(rows, of: values, height: height, width: width)
                    var result: ImageResult?
                    session.add(draw(given: given), tag: 0)
                    while session.count > 0 { session.step { result = $1 } }
                    #expect(result == whole, "\(rows) rows of \(height) × \(width)")
                }
                #expect(cache.status.hits > 0)
            }
        }
    }

    @Test(arguments: names)
    func aStepAllocatesNothing(_ name: String) throws {
        let network = try Network(name)
        let session = SamplingSession(engine: Engine(model: network.model), capacity: 3)
        var (finished, counts) = (0, [Int]())
        counts.reserveCapacity(1000)
        for index in 0..<3 {
            let source = ImageTask.Source.sample(seed: 1, index: UInt64(index), parameters: SamplingParameters())
            session.add(ImageTask(height: 6, width: 7, label: network.labels[0], source: source), tag: index)
            while finished == 0, index == 2 || counts.count < 2 * (index + 1) {
                let before = allocation_count()
                session.step { _, _ in finished += 1 }
                let after = allocation_count()
                if finished == 0 { counts.append(after - before) }
            }
        }
        #expect(counts.count > 30 && counts.allSatisfy { $0 == 0 })
    }

    /// Values drawn again from PyTorch's logits by an independent sampler.
    @Test(
        .enabled(if: PyTorch.isAvailable, Comment(rawValue: PyTorch.absence)), arguments: names,
        [
            (SamplingParameters(), [String]()),
            (
                SamplingParameters(temperature: 0.7, topK: 5, topP: 0.9),
                ["--temperature", "0.7", "--top-k", "5", "--top-p", "0.9"]
            ),
        ])
    func pyTorchsProbabilitiesGiveBackTheSamples(
        _ name: String, _ way: (parameters: SamplingParameters, options: [String])
    ) throws {
        let network = try Network(name)
        let h = network.model.description
        var parameters = way.parameters
        var options = way.options
        if let topK = parameters.topK, topK > h.colors {
            parameters.topK = 1
            options[3] = "1"
        }
        let (height, width, label) = (8, 9, network.labels[0])
        if let label { options += ["--label", "\(label)"] }
        let tasks = (0..<3).map { i in
            ImageTask(
                height: height, width: width, label: label,
                source: .sample(seed: 77, index: UInt64(i), parameters: parameters))
        }
        let values = Engine(model: network.model).run(tasks).flatMap { result -> [UInt16] in
            if case .values(let values) = result { values } else { [] }
        }
        let folder = try TemporaryFolder()
        let file = folder.path("samples.npy")
        let shape = [3, h.channels, height, width]
        let bytes =
            h.colors > 256
            ? NPYArray.encode(values, shape: shape) : NPYArray.encode(values.map(UInt8.init), shape: shape)
        try Data(bytes).write(to: URL(filePath: file))
        let model = Fixture.folder.appending(path: "published/\(try #require(Fixture.published[name]))").path
        let check = try PyTorch.run(["check_samples.py", model, file, "--seed", "77"] + options)
        print("\(name): \(check.output)")
        #expect(check.status == 0, "\(check.output)")
    }
}
