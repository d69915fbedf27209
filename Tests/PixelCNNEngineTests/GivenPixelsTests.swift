// Pixels that are given anywhere: they stay as they are, and the rest is drawn as if the session had drawn them itself.

import PixelCNNKernels
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct GivenPixelsTests {
    /// Masks of every kind: none and all kept, rows above and below, every other pixel, single pixels, at random.
    private static func masks(height: Int, width: Int) -> [[Bool]] {
        var generator = SplitMix(seed: 6)
        func mask(_ isKept: (_ row: Int, _ column: Int) -> Bool) -> [Bool] {
            (0..<height * width).map { isKept($0 / width, $0 % width) }
        }
        return [
            mask { _, _ in false }, mask { _, _ in true }, mask { row, _ in row < height / 2 },
            mask { row, _ in row >= height / 2 }, mask { row, _ in row % 2 == 1 }, mask { ($0 + $1) % 2 == 0 },
            mask { _, column in column >= width / 2 }, mask { $0 == height - 1 && $1 == width - 1 },
            mask { $0 == 0 && $1 == 0 }, mask { row, column in row < 2 || column == 0 },
        ] + (0..<3).map { _ in mask { _, _ in Bool.random(using: &generator) } }
    }

    private func draw(_ height: Int, _ width: Int, given: GivenPixels?) -> ImageTask {
        let parameters = SamplingParameters(temperature: 0.9, topP: 0.95)
        return ImageTask(
            height: height, width: width, source: .sample(seed: 3, index: 7, parameters: parameters, given: given))
    }

    @Test(arguments: SmallModels.all.indices)
    func givenPixelsShiftNoOtherDraw(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model)
        let h = engine.hyperparameters
        for (height, width) in [(h.height, h.width), (6, 9), (9, 1), (1, 9)] {
            let whole = engine.run([draw(height, width, given: nil)])[0]
            guard case .values(let values) = whole else { Issue.record("no values"); return }
            let tasks = Self.masks(height: height, width: width).map { mask in
                // What is not kept must not matter.
                let given = values.indices.map { mask[$0 % (height * width)] ? values[$0] : 0 }
                return draw(
                    height, width, given: GivenPixels(height: height, width: width, values: given, kept: .mask(mask)))
            }
            for (i, task) in tasks.enumerated() {
                #expect(engine.run([task]) == [whole], "mask \(i) of \(height) × \(width)")
                #expect(engine.runWithHelp(task) == whole, "mask \(i) of \(height) × \(width), two threads")
            }
            #expect(engine.run(tasks).allSatisfy { $0 == whole }, "\(height) × \(width), together")
        }
    }

    /// Pixels that the model would not have drawn, against the full forward pass and the contract's text.
    @Test(arguments: SmallModels.all.indices)
    func theRestIsDrawnFromTheModelsDistributionBesideForeignPixels(_ index: Int) {
        let model = SmallModels.all[index].model
        let (engine, h) = (Engine(model: model), model.hyperparameters)
        let reference = ReferenceNetwork(model: model)
        let foreign = SmallModels.image(for: model, seed: 8)
        let pixels = h.height * h.width
        let parameters = SamplingParameters()
        for (i, mask) in Self.masks(height: h.height, width: h.width).enumerated() {
            let given = GivenPixels(height: h.height, width: h.width, values: foreign, kept: .mask(mask))
            let task = ImageTask(
                height: h.height, width: h.width,
                source: .sample(seed: 4, index: 1, parameters: parameters, given: given))
            guard case .values(let image) = engine.run([task])[0] else { Issue.record("no values"); return }
            let logits = reference.logits(image, height: h.height, width: h.width)
            for place in image.indices {
                let (c, pixel) = (place / pixels, place % pixels)
                if mask[pixel] {
                    #expect(image[place] == foreign[place], "mask \(i): a kept value changed")
                    continue
                }
                let u = Philox(seed: 4, index: 1).uniform(at: UInt64(pixel * h.channels + c))
                let expected = PlainSampler.draw(
                    (0..<h.colors).map { logits[$0 * image.count + place] }, u: u, parameters: parameters,
                    tolerance: Double(logitTolerance(logits)))
                #expect(Int(image[place]) == expected.value || expected.isNearBoundary, "mask \(i), value \(place)")
            }
        }
    }

    @Test func onlyRowsAboveADrawnPixelAreComputed() {
        let model = SmallModels.colour
        let (engine, h) = (Engine(model: model), model.hyperparameters)
        let image = SmallModels.image(for: model, seed: 1)
        func rowsComputed(keeping isKept: (_ row: Int) -> Bool) -> (given: Int, drawn: Int) {
            let session = SamplingSession(engine: engine, capacity: 1)
            var steps = 0
            var rows: [Int] = []
            session.finishRow = { _, row in rows.append(row.row) }
            let mask = (0..<h.height * h.width).map { isKept($0 / h.width) }
            let given = GivenPixels(height: h.height, width: h.width, values: image, kept: .mask(mask))
            session.add(draw(h.height, h.width, given: given), tag: 0)
            while session.count > 0 {
                session.step { _, _ in }
                steps += 1
            }
            #expect(rows == Array(0..<h.height))
            return (session.prefilledRows, (steps - max(session.prefilledRows, 1) + 1) / h.width)
        }
        #expect(rowsComputed { _ in true } == (0, 0))
        #expect(rowsComputed { $0 < 2 } == (2, h.height - 2))
        #expect(rowsComputed { $0 >= 2 }.given == 0)
        #expect(rowsComputed { $0 != 2 } == (2, 1))
    }

    @Test func keptPixelsAreCounted() {
        func kept(_ kept: GivenPixels.Kept) -> Int {
            GivenPixels(height: 3, width: 2, values: [UInt16](repeating: 0, count: 6), kept: kept).keptPixels
        }
        #expect(kept(.rows(0)) == 0 && kept(.rows(2)) == 4 && kept(.rows(3)) == 6)
        #expect(kept(.mask([true, false, false, true, true, false])) == 3)
    }
}
