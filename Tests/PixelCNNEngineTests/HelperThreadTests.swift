// One image on two threads: the same bits, whether the second thread stays, comes late, or comes and goes.

import Foundation
import PixelCNNKernels
import PixelCNNModel
import Synchronization
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct HelperThreadTests {
    /// Sizes that the wavefront fits badly: fewer columns than it lags behind, one row, one column; odd widths, whose
    /// last column is half a tile of F(2, 3); and some where two rows have room beside each other.
    static let sizes = [
        (1, 1), (1, 9), (9, 1), (6, 2), (6, 3), (7, 4), (5, 40), (4, 51), (12, 13), (9, 70), (3, 131),
    ]

    @Test(arguments: SmallModels.all.indices)
    func aSecondThreadChangesNoBit(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model)
        for (height, width) in Self.sizes {
            for source in sources(engine.hyperparameters, height, width) {
                let task = ImageTask(height: height, width: width, source: source)
                #expect(engine.runWithHelp(task) == engine.run([task])[0], "\(height) × \(width)")
            }
        }
    }

    @Test(arguments: [1, 2, 5, 40])
    func aThreadThatComesAndGoesChangesNoBit(_ pieces: Int) {
        let engine = Engine(model: SmallModels.colour)
        for (height, width) in Self.sizes {
            for source in sources(engine.hyperparameters, height, width) {
                let task = ImageTask(height: height, width: width, source: source)
                #expect(engine.runWithHelp(task, pieces: pieces) == engine.run([task])[0], "\(height) × \(width)")
            }
        }
    }

    /// What the first score has taken over of the vertical stack's row outlives the wider one's coming.
    @Test func aWiderScoreMayJoinWithinARow() {
        let engine = Engine(model: SmallModels.colour)
        let tasks = [40, 64].map { width in
            ImageTask(height: 4, width: width, source: sources(engine.hyperparameters, 4, width)[1])
        }
        let alone = tasks.map { engine.run([$0])[0] }
        for pieces in 1...12 {
            let session = SamplingSession(engine: engine, capacity: 2)
            let helper = Helper(session.helperThread)
            var results: [Int: ImageResult] = [:]
            Thread.sleep(forTimeInterval: 0.005)  // until it offers itself: only a lent image takes a row over
            session.add(tasks[0], tag: 0)
            for _ in 0..<pieces where session.count > 0 { _ = session.stepPiece { results[$0] = $1 } }
            session.add(tasks[1], tag: 1)
            while session.count > 0 { session.step { results[$0] = $1 } }
            helper.stop()
            #expect(results[0] == alone[0] && results[1] == alone[1], "after \(pieces) pieces")
        }
    }

    @Test func companyEndsTheHelpAndItComesBack() {
        let engine = Engine(model: SmallModels.colour)
        func task(_ i: Int) -> ImageTask {
            ImageTask(
                height: 6 + i % 3, width: i % 2 == 0 ? 12 : 43,
                source: .sample(seed: 1, index: UInt64(i), parameters: SamplingParameters()))
        }
        let session = SamplingSession(engine: engine, capacity: 3)
        let helper = Helper(session.helperThread)
        var results: [Int: ImageResult] = [:]
        for i in 0..<9 {
            session.add(task(i), tag: i)
            for _ in 0..<(i % 4) * 20 { session.step { results[$0] = $1 } }
            if session.count == 3 { session.removeAll { $0 == i - 2 && $0 % 2 == 0 } }
            while session.count == 3 { session.step { results[$0] = $1 } }
        }
        while session.count > 0 { session.step { results[$0] = $1 } }
        helper.stop()
        #expect(results.count >= 5)
        for (i, result) in results { #expect(result == engine.run([task(i)])[0]) }
    }

    /// Company comes while columns of the row below are complete, some of it to stay; what is below goes on after that.
    @Test(arguments: [1, 2, 4]) func theRowBelowOutlivesCompany(_ capacity: Int) {
        let engine = Engine(model: SmallModels.colour)
        func task(_ i: Int, width: Int) -> ImageTask {
            ImageTask(
                height: 7, width: width,
                source: .sample(seed: 2, index: UInt64(i), parameters: SamplingParameters()))
        }
        let expected = engine.run([task(0, width: 80)])[0]
        let beside = (1..<capacity).map { engine.run([task($0, width: 3 * $0)])[0] }
        for steps in [90, 131, 160, 197, 260] {
            let session = SamplingSession(engine: engine, capacity: capacity)
            let helper = Helper(session.helperThread)
            var results: [Int: ImageResult] = [:]
            session.add(task(0, width: 80), tag: 0)
            for _ in 0..<steps { session.step { results[$0] = $1 } }
            for i in 1..<capacity { session.add(task(i, width: 3 * i), tag: i) }
            while session.count > 0 { session.step { results[$0] = $1 } }
            helper.stop()
            #expect(results[0] == expected)
            for i in 1..<capacity { #expect(results[i] == beside[i - 1]) }
        }
    }

    @Test func rowsAreDrawnBesideEachOther() {
        let engine = Engine(model: SmallModels.colour)
        let session = SamplingSession(engine: engine, capacity: 1)
        let helper = Helper(session.helperThread)
        var (row, isBeside) = (0, false)
        session.inspectLogits = { _, place, _, _, _ in
            if place < row { isBeside = true }
            row = place
        }
        // Until the second thread has a core of its own for a while.
        for i in 0..<1000 where !isBeside {
            row = 0
            session.add(
                ImageTask(
                    height: 20, width: 100,
                    source: .sample(seed: 1, index: UInt64(i), parameters: SamplingParameters())), tag: i)
            while session.count > 0 { session.step { _, _ in } }
        }
        helper.stop()
        #expect(isBeside)
    }

    /// What is kept of first rows is that of those rows alone, however far the second thread has come below them.
    @Test(arguments: [1, 2, 3]) func checkpointsAreTheSameWithHelp(_ rowsBetweenCheckpoints: Int) {
        for model in SmallModels.all.map(\.model) {
            let engine = Engine(model: model)
            let (height, width) = (7, 60)
            let task = ImageTask(
                height: height, width: width, source: .sample(seed: 5, index: 1, parameters: SamplingParameters()))
            let cache = PrefixCache()
            guard
                case .values(let values) = engine.runWithHelp(
                    task, prefixCache: cache, rowsBetweenCheckpoints: rowsBetweenCheckpoints)
            else {
                Issue.record("no values")
                return
            }
            for rows in 1..<height {
                let completion = ImageTask(
                    height: height, width: width,
                    source: .sample(
                        seed: 6, index: 2, parameters: SamplingParameters(),
                        given: .rows(rows, of: values, height: height, width: width)))
                let restored = engine.runWithHelp(
                    completion, prefixCache: cache, rowsBetweenCheckpoints: rowsBetweenCheckpoints)
                #expect(restored == engine.run([completion])[0], "below \(rows) rows")
            }
        }
    }

    /// Rows of one pixel: each ends while the second thread may be about to sleep, and must wake it.
    @Test func noEndOfARowIsMissed() {
        let engine = Engine(model: SmallModels.colour)
        let task = ImageTask(
            height: 20_000, width: 1, source: .sample(seed: 1, index: 0, parameters: SamplingParameters()))
        #expect(engine.runWithHelp(task) == engine.run([task])[0])
    }

    @Test func aSessionMayEndWithAnImageLent() {
        let engine = Engine(model: SmallModels.colour)
        for _ in 0..<20 {
            let helper: Helper
            do {
                let session = SamplingSession(engine: engine, capacity: 1)
                helper = Helper(session.helperThread)
                session.add(
                    ImageTask(
                        height: 8, width: 8, source: .sample(seed: 1, index: 0, parameters: SamplingParameters())),
                    tag: 0)
                for _ in 0..<30 { session.step { _, _ in } }
            }
            helper.stop()
        }
    }

    private func sources(_ h: Hyperparameters, _ height: Int, _ width: Int) -> [ImageTask.Source] {
        var generator = SplitMix(seed: 4)
        let values = (0..<h.channels * height * width).map { _ in
            UInt16.random(in: 0..<UInt16(h.colors), using: &generator)
        }
        return [.sample(seed: 3, index: 8, parameters: SamplingParameters(temperature: 0.9)), .score(values: values)]
    }
}

/// A thread that helps until `stop()`. With `pieces`, it leaves after so many pieces of work and comes
/// again.
final class Helper: Sendable {
    private let isDone = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(_ helperThread: HelperThread, pieces: Int = .max) {
        Thread { [self] in
            while !isDone.load(ordering: .relaxed) {
                var left = pieces
                helperThread.help {
                    left -= 1
                    return left > 0 && !isDone.load(ordering: .relaxed)
                }
            }
            ended.signal()
        }.start()
    }

    func stop() {
        isDone.store(true, ordering: .relaxed)
        ended.wait()
    }
}

extension Engine {
    /// A task computed with a second thread that helps.
    func runWithHelp(
        _ task: ImageTask, pieces: Int = .max, prefixCache: PrefixCache? = nil, rowsBetweenCheckpoints: Int = 1
    ) -> ImageResult? {
        let session = SamplingSession(
            engine: self, capacity: 1, prefixCache: prefixCache, rowsBetweenCheckpoints: rowsBetweenCheckpoints)
        let helper = Helper(session.helperThread, pieces: pieces)
        defer { helper.stop() }
        session.add(task, tag: 0)
        var result: ImageResult?
        while session.count > 0 { session.step { result = $1 } }
        return result
    }
}
