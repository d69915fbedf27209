// What needs PyTorch itself: the published size, every file form, and samples drawn again from PyTorch's probabilities.

import Foundation
import ImageFormats
import PixelCNNKernels
import PixelCNNModel
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite(.enabled(if: PyTorch.isAvailable, Comment(rawValue: PyTorch.absence)))
struct PyTorchTests {
    @Test func everyFormOfEveryFixtureGivesPyTorchsLogits() throws {
        let folder = try TemporaryFolder()
        let made = try PyTorch.run(["../Fixtures/make_fixtures.py", "--all", folder.url.path])
        try #require(made.status == 0, "\(made.output)")
        for name in ["tiny", "wide-kernel", "gray", "default", "conditional", "conditional-large"] {
            var bits: [[UInt32]] = []
            for ending in [".pt", "-state.pt", ".safetensors"] {
                let fixture = try Fixture(name, file: name + ending, folder: folder.url)
                // The last image's class is not 0, where there are classes.
                let last = fixture.images.count - 1
                let (image, expected, label) = (fixture.images[last], fixture.logits[last], fixture.labels[last])
                let bound = logitTolerance(expected)
                let engine = Engine(model: fixture.model)
                let incremental = engine.logits(image, height: fixture.height, width: fixture.width, label: label)
                bits.append(incremental.map(\.bitPattern))
                let difference = largestDifference(incremental, expected)
                #expect(difference <= bound, "\(name)\(ending)")
                guard ending == ".pt" else { continue }
                let whole = ReferenceNetwork(model: fixture.model)
                    .logits(image, height: fixture.height, width: fixture.width, label: label)
                let (wholeDifference, between) = (
                    largestDifference(whole, expected), largestDifference(whole, incremental)
                )
                print(
                    "\(name): incremental – PyTorch \(difference), whole image – PyTorch \(wholeDifference), "
                        + "incremental – whole image \(between), bound \(bound)")
                #expect(wholeDifference <= bound && between <= bound)
            }
            #expect(bits.allSatisfy { $0 == bits[0] }, "\(name): one model, three forms, other bits")
        }
    }

    @Test func pyTorchLoadsConditionalStateDictionariesAndTheirNames() throws {
        let folder = try TemporaryFolder()
        let names = ["circle", "square", "Fünfeck", "3", #"say "\""#]
        let random = SmallModels.conditional[0].model
        let h = random.hyperparameters
        let model = try Model(
            hyperparameters: h, tensors: h.parameters.map { random[$0.name] }, labelNames: names)
        try model.writePyTorch(to: folder.path("state.pt"))
        try model.writeSafetensors(to: folder.path("same.safetensors"))
        let sizes = [h.hidden, h.channels, h.height, h.width, h.colors, h.blocks, h.filters, h.kernelSize, h.labels]
        let check = try PyTorch.run(
            ["load_state.py", folder.path("state.pt"), folder.path("same.safetensors")] + sizes.map { "\($0)" } + names)
        #expect(check.status == 0, "\(check.output)")
    }

    @Test(arguments: [
        (SamplingParameters(), [String]()),
        (
            SamplingParameters(temperature: 0.7, topK: 5, topP: 0.9),
            ["--temperature", "0.7", "--top-k", "5", "--top-p", "0.9"]
        ),
    ])
    func pyTorchsProbabilitiesGiveBackTheSamples(_ parameters: SamplingParameters, _ options: [String]) throws {
        try check(parameters, options, given: nil, folder: TemporaryFolder())
    }

    /// Rows, a square to fill in, single pixels, and rows with a column.
    private static let masks: [@Sendable (_ row: Int, _ column: Int) -> Bool] = [
        { row, _ in row < 5 }, { row, column in !(2..<6 ~= row && 2..<6 ~= column) },
        { row, column in (3 * row + column) % 5 == 0 }, { row, column in row < 2 || column == 7 },
    ]

    /// The picture is one that no model has drawn.
    @Test(arguments: masks.indices)
    func pyTorchsProbabilitiesGiveBackWhatIsDrawnBesideGivenPixels(_ index: Int) throws {
        let isKept = Self.masks[index]
        let folder = try TemporaryFolder()
        let mask = (0..<64).map { isKept($0 / 8, $0 % 8) }
        let image = (0..<192).map { UInt8(truncatingIfNeeded: $0 * 37) }
        let files = (folder.path("given.npy"), folder.path("mask.npy"))
        try Data(NPYArray.encode(image, shape: [3, 8, 8])).write(to: URL(filePath: files.0))
        try Data(NPYArray.encode(mask.map { $0 ? 1 : 0 as UInt8 }, shape: [8, 8])).write(to: URL(filePath: files.1))
        let given = GivenPixels(height: 8, width: 8, values: image.map(UInt16.init), kept: .mask(mask))
        try check(SamplingParameters(), ["--given", files.0, "--mask", files.1], given: given, folder: folder)
        guard index == 0 else { return }
        let rows = GivenPixels(height: 8, width: 8, values: image.map(UInt16.init), kept: .rows(5))
        try check(SamplingParameters(), ["--given", files.0, "--mask", files.1], given: rows, folder: folder)
    }

    /// Draws eight images and has PyTorch draw every value of them that is not given again.
    private func check(
        _ parameters: SamplingParameters, _ options: [String], given: GivenPixels?, folder: TemporaryFolder
    ) throws {
        let engine = Engine(model: try Fixture("tiny").model)
        let (seed, first, count) = (123_456_789_012 as UInt64, 5_000_000_000 as UInt64, 8)
        let tasks = (0..<count).map { i in
            ImageTask(
                height: 8, width: 8,
                source: .sample(seed: seed, index: first + UInt64(i), parameters: parameters, given: given))
        }
        let values = engine.run(tasks).flatMap { result -> [UInt8] in
            guard case .values(let values) = result else { return [] }
            return values.map(UInt8.init)
        }
        let file = URL(filePath: folder.path("samples.npy"))
        try Data(NPYArray.encode(values, shape: [count, 3, 8, 8])).write(to: file)
        let model = Fixture.folder.appending(path: "tiny.pt").path
        let check = try PyTorch.run(
            ["check_samples.py", model, file.path, "--seed", "\(seed)", "--first-index", "\(first)"] + options)
        print(check.output)
        #expect(check.status == 0, "\(check.output)")
    }
}
