// A step in pieces: what a piece is, and that images may come and go between any two of them.

import PixelCNNModel
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct StepPieceTests {
    private let engine = Engine(model: SmallModels.colour)

    private func task(_ index: Int, height: Int = 5, width: Int = 4, prefillRows: Int = 0) -> ImageTask {
        ImageTask(
            height: height, width: width,
            source: .sample(
                seed: 5, index: UInt64(index), parameters: SamplingParameters(),
                given: .rows(
                    prefillRows, of: Array(repeating: UInt16(index % 4), count: 3 * width * height), height: height,
                    width: width)))
    }

    /// Pieces of the session's next step.
    private func pieces(_ session: SamplingSession) -> Int {
        var pieces = 1
        while !session.stepPiece(finish: { _, _ in }) { pieces += 1 }
        return pieces
    }

    @Test(arguments: [1, 3, 8])
    func aVerticalRowIsAPieceABlockAndAPixelOfAllImagesIsOne(_ images: Int) {
        let session = SamplingSession(engine: engine, capacity: images)
        for i in 0..<images { session.add(task(i), tag: i) }
        let atRowStart = images * engine.hyperparameters.blocks + 1
        for _ in 0..<3 { #expect((0..<4).map { _ in pieces(session) } == [atRowStart, 1, 1, 1]) }
    }

    /// 256 columns a piece; of the last block, the first are enough to begin with.
    @Test func aWideRowIsCut() {
        let session = SamplingSession(engine: engine, capacity: 1)
        session.add(task(0, height: 2, width: 600), tag: 0)
        #expect(pieces(session) == 3 * (engine.hyperparameters.blocks - 1) + 1 + 1)
    }

    @Test func aCutRowHasTheSameBits() {
        // The other way to compute it: on a second thread, in pieces of ten columns.
        let wide = task(0, height: 3, width: 600)
        #expect(engine.run([wide])[0] == engine.runWithHelp(wide))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func imagesComeAndGoBetweenPieces(_ seed: UInt64) {
        var generator = SplitMix(seed: seed)
        let session = SamplingSession(engine: engine, capacity: 6)
        let tasks = (0..<40).map { i in
            task(i, height: 3 + i % 3, width: 2 + i % 4, prefillRows: i % 5 == 0 ? 2 : i % 7 == 0 ? 3 : 0)
        }
        var results: [Int: ImageResult] = [:]
        var (next, dropped) = (0, Set<Int>())
        while next < tasks.count || session.count > 0 {
            if next < tasks.count, session.count < 6, Int.random(in: 0..<3, using: &generator) == 0 {
                session.add(tasks[next], tag: next)
                next += 1
            }
            if Int.random(in: 0..<40, using: &generator) == 0 {
                let unwanted = Int.random(in: 0..<tasks.count, using: &generator)
                session.removeAll {
                    if $0 == unwanted { dropped.insert($0) }
                    return $0 == unwanted
                }
            }
            _ = session.stepPiece { results[$0] = $1 }
        }
        #expect(results.count + dropped.count == tasks.count)
        for (i, result) in results { #expect(result == engine.run([tasks[i]])[0], "image \(i)") }
    }

    @Test func rowsAreToldInOrderDrawnOrGiven() {
        let session = SamplingSession(engine: engine, capacity: 2)
        var rows: [[Int]] = [[], []]
        var values: [[UInt16]] = [[], []]
        session.finishRow = { tag, row in
            rows[tag].append(row.row)
            values[tag] += row.values
            #expect(row.count == row.values.count)
        }
        let tasks = [task(0, prefillRows: 2), task(1)]
        for (tag, task) in tasks.enumerated() { session.add(task, tag: tag) }
        while session.count > 0 {
            session.step { tag, result in
                #expect(rows[tag] == [0, 1, 2, 3, 4])
                guard case .values(let image) = result else { return }
                // (H, C, W) of the rows from (C, H, W).
                var byRow: [UInt16] = []
                for row in 0..<5 {
                    for c in 0..<3 { byRow += image[(c * 5 + row) * 4..<(c * 5 + row) * 4 + 4] }
                }
                #expect(values[tag] == byRow)
            }
        }
        #expect(rows.allSatisfy { $0.count == 5 })
    }

    @Test(arguments: SmallModels.all.indices)
    func cacheBytesAreThoseOfTheBuffers(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model)
        #expect(engine.cacheBytes(width: 100) > engine.cacheBytes(width: 99))
        // What a column costs does not depend on how many there are.
        #expect(
            engine.cacheBytes(width: 100) - engine.cacheBytes(width: 99)
                == engine.cacheBytes(width: 2) - engine.cacheBytes(width: 1))
    }
}
