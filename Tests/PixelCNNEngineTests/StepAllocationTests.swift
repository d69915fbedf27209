// A step computes and allocates no memory: everything it needs is there since the session was made or the image added.
// The counter replaces malloc in the test program (Tests/AllocationCount) and counts this thread's calls alone.

import AllocationCount
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite(.enabled(if: allocation_count_is_available(), "a sanitizer has replaced malloc itself"))
struct StepAllocationTests {
    static let sources: [(name: String, parameters: SamplingParameters?)] = [
        ("sampling", SamplingParameters()),
        ("the most probable value", SamplingParameters(temperature: 0)),
        ("top-k", SamplingParameters(temperature: 0.8, topK: 7)),
        ("top-p", SamplingParameters(topP: 0.9)),
        ("top-k and top-p", SamplingParameters(topK: 15, topP: 0.7)),
        ("scoring", nil),
    ]

    @Test func theCounterSeesWhatASessionAllocates() {
        let engine = Engine(model: SmallModels.colour)
        let before = allocation_count()
        let session = SamplingSession(engine: engine, capacity: 3)
        let made = allocation_count()
        session.add(task(engine, SamplingParameters(), index: 0), tag: 0)
        let added = allocation_count()
        // A session has a dozen buffers, an image a cache of several and its values.
        #expect(made - before >= 12 && added - made >= 3)
    }

    @Test(arguments: sources.map(\.name), [0, 3])  // 3 is the model of two channels and 300 values
    func aStepInWhichNoImageEndsAllocatesNothing(_ name: String, _ modelIndex: Int) throws {
        let parameters = try #require(Self.sources.first { $0.name == name }).parameters
        let engine = Engine(model: SmallModels.all[modelIndex].model)
        let session = SamplingSession(engine: engine, capacity: 3)
        var (finished, quiet, counts) = (0, 0, [Int](repeating: 0, count: 1000))
        for index in 0..<3 {
            session.add(task(engine, parameters, index: index), tag: index)
            // Two steps apart, so that no two images are at the same position.
            for _ in 0..<(index == 2 ? 1000 : 2) where finished == 0 {
                let before = allocation_count()
                if parameters == nil {
                    _ = session.stepPiece { _, _ in finished += 1 }
                } else {
                    session.step { _, _ in finished += 1 }
                }
                let after = allocation_count()
                if finished == 0 {
                    counts[quiet] = after - before
                    quiet += 1
                }
            }
        }
        // A step is a pixel. Scored images take several rows in one; a piece is a row of a block.
        #expect(quiet >= (parameters == nil ? engine.hyperparameters.height - 1 : 19))
        let allocating = counts[..<quiet].enumerated().filter { $0.element > 0 }
        #expect(allocating.isEmpty, "\(allocating.map { "step \($0.offset): \($0.element)" })")
    }

    @Test func neitherThreadAllocatesWhileASecondOneHelps() {
        let engine = Engine(model: SmallModels.colour)
        let session = SamplingSession(engine: engine, capacity: 1)
        let source = ImageTask.Source.sample(seed: 1, index: 0, parameters: SamplingParameters())
        session.add(ImageTask(height: 100, width: 40, source: source), tag: 0)
        let helper = CountingHelper(session.helperThread)
        var (counts, isFinished) = ([Int](), false)
        counts.reserveCapacity(4000)
        while !isFinished {
            let before = allocation_count()
            session.step { _, _ in isFinished = true }
            let after = allocation_count()
            if !isFinished { counts.append(after - before) }
        }
        #expect(helper.stop() == 0)
        // A step is a pixel, or two, of rows beside each other.
        #expect((2000..<4000).contains(counts.count) && counts.allSatisfy { $0 == 0 })
    }

    /// An image of the model's own size: drawn with `parameters`, or scored for nil.
    private func task(_ engine: Engine, _ parameters: SamplingParameters?, index: Int) -> ImageTask {
        let h = engine.hyperparameters
        let source: ImageTask.Source =
            if let parameters {
                .sample(seed: 1, index: UInt64(index), parameters: parameters)
            } else {
                .score(values: Array(repeating: 1, count: h.channels * h.height * h.width))
            }
        return ImageTask(height: h.height, width: h.width, source: source)
    }
}

/// A thread that helps until `stop()`, and counts what it allocates while it does.
private final class CountingHelper: Sendable {
    private let isDone = Atomic<Bool>(false)
    private let allocations = Atomic<Int>(0)
    private let ended = DispatchSemaphore(value: 0)

    /// Returns when the thread is about to help.
    init(_ helperThread: HelperThread) {
        let isReady = DispatchSemaphore(value: 0)
        Thread { [self] in
            isReady.signal()
            while !isDone.load(ordering: .relaxed) {
                let before = allocation_count()
                helperThread.help { !isDone.load(ordering: .relaxed) }
                allocations.add(allocation_count() - before, ordering: .relaxed)
            }
            ended.signal()
        }.start()
        isReady.wait()
    }

    /// Ends the thread; what it has allocated.
    func stop() -> Int {
        isDone.store(true, ordering: .relaxed)
        ended.wait()
        return allocations.load(ordering: .relaxed)
    }
}
