// Rows that are given: the rest is drawn as if the session had drawn them itself.

import PixelCNNKernels
import PixelCNNReference
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct PrefillTests {
    @Test(arguments: SmallModels.all.indices)
    func theRestIsDrawnAsAfterDrawnRows(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model)
        let h = engine.hyperparameters
        for (height, width) in [(h.height, h.width), (6, 9), (9, 1)] {
            let parameters = SamplingParameters()
            func draw(given: GivenPixels?) -> ImageTask {
                ImageTask(
                    height: height, width: width,
                    source: .sample(seed: 2, index: 5, parameters: parameters, given: given))
            }
            let whole = engine.run([draw(given: nil)])[0]
            guard case .values(let values) = whole else { Issue.record("no values"); return }
            for rows in 0...height {
                let given = GivenPixels.rows(rows, of: values, height: height, width: width)
                #expect(engine.run([draw(given: given)]) == [whole], "\(rows) rows of \(height) × \(width)")
            }
        }
    }

    /// Logits of the first drawn pixel, against teacher-forced ones: rows that the model would not have drawn.
    @Test(arguments: SmallModels.all.indices)
    func logitsAfterPrefillAreTheTeacherForcedOnesBitForBit(_ index: Int) {
        let model = SmallModels.all[index].model
        let engine = Engine(model: model)
        let h = model.hyperparameters
        let image = SmallModels.image(for: model, seed: 9)
        let forced = engine.logits(image, height: h.height, width: h.width).map(\.bitPattern)
        for rows in 1..<h.height {
            let session = SamplingSession(engine: engine, capacity: 1)
            var first: [UInt32] = []
            session.inspectLogits = { _, row, column, c, logits in
                if row == rows && column == 0 && c == 0 { first = (0..<h.colors).map { logits[$0].bitPattern } }
            }
            let given = GivenPixels.rows(rows, of: image, height: h.height, width: h.width)
            session.add(
                ImageTask(
                    height: h.height, width: h.width,
                    source: .sample(seed: 0, index: 0, parameters: SamplingParameters(), given: given)), tag: 0)
            while first.isEmpty { session.step { _, _ in } }
            #expect(first == (0..<h.colors).map { forced[$0 * image.count + rows * h.width] }, "after \(rows) rows")
        }
    }

    @Test func imagesWithAndWithoutPrefillStepTogether() {
        let engine = Engine(model: SmallModels.colour)
        let tasks = (0..<6).map { i in  // the last one is given as a whole
            ImageTask(
                height: 5, width: 4 + i % 2,
                source: .sample(
                    seed: 7, index: UInt64(i), parameters: SamplingParameters(),
                    given: .rows(
                        i, of: Array(repeating: UInt16(i), count: 3 * 5 * (4 + i % 2)), height: 5, width: 4 + i % 2)))
        }
        #expect(engine.run(tasks) == tasks.map { engine.run([$0])[0] })
    }
}
