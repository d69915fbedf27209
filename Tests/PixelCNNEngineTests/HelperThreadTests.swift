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
    /// last column is half a tile of F(2, 3).
    static let sizes = [(1, 1), (1, 9), (9, 1), (6, 2), (6, 3), (7, 4), (5, 40), (4, 51), (12, 13)]

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

    @Test func companyEndsTheHelpAndItComesBack() {
        let engine = Engine(model: SmallModels.colour)
        func task(_ i: Int) -> ImageTask {
            ImageTask(
                height: 6 + i % 3, width: 12,
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
    func runWithHelp(_ task: ImageTask, pieces: Int = .max) -> ImageResult? {
        let session = SamplingSession(engine: self, capacity: 1)
        let helper = Helper(session.helperThread, pieces: pieces)
        defer { helper.stop() }
        session.add(task, tag: 0)
        var result: ImageResult?
        while session.count > 0 { session.step { result = $1 } }
        return result
    }
}
