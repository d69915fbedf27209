// What is remembered of first rows changes no byte, saves every row it can, and stays within its budget.

import Foundation
import PixelCNNKernels
import Synchronization
import TestSupport
import Testing

@testable import PixelCNNEngine

@Suite struct PrefixCacheTests {
    private let engine = Engine(model: SmallModels.colour)
    private let height = 6, width = 5
    /// Bytes that the checkpoint after the last row but one takes, the largest of an image.
    private var largestEntry: Int {
        PrefixCache.Entry.byteCount(
            checkpoint: layout(width: width).checkpointCount, values: 3 * width * (height - 1))
    }

    private func layout(width: Int) -> RowCache.Layout { RowCache.Layout(engine.shape, width: width) }

    private func task(
        _ index: Int, rows: Int = 0, of image: [UInt16] = [], temperature: Float = 1, width: Int? = nil
    ) -> ImageTask {
        let width = width ?? self.width
        return ImageTask(
            height: height, width: width,
            source: .sample(
                seed: 4, index: UInt64(index), parameters: SamplingParameters(temperature: temperature),
                given: .rows(rows, of: image, height: height, width: width)))
    }

    private func image(_ seed: UInt64) -> [UInt16] {
        var generator = SplitMix(seed: seed)
        return (0..<3 * height * width).map { _ in UInt16.random(in: 0..<20, using: &generator) }
    }

    /// The task's result, and how many given rows were computed for it.
    private func run(_ task: ImageTask, _ cache: PrefixCache?, rowsBetweenCheckpoints: Int = 1) -> (
        ImageResult?, rows: Int
    ) {
        let session = SamplingSession(
            engine: engine, capacity: 1, prefixCache: cache, rowsBetweenCheckpoints: rowsBetweenCheckpoints)
        var result: ImageResult?
        session.add(task, tag: 0)
        while session.count > 0 { session.step { result = $1 } }
        return (result, session.prefilledRows)
    }

    // MARK: - Bytes

    @Test(arguments: SmallModels.all.indices, [1, 3])
    func warmAndColdImagesAreTheSame(_ index: Int, _ rowsBetweenCheckpoints: Int) {
        let model = SmallModels.all[index].model
        let (engine, h) = (Engine(model: model), model.hyperparameters)
        let cache = PrefixCache()
        let session = SamplingSession(
            engine: engine, capacity: 3, prefixCache: cache, rowsBetweenCheckpoints: rowsBetweenCheckpoints)
        let (image, other) = (SmallModels.image(for: model, seed: 1), SmallModels.image(for: model, seed: 2))
        for (i, rows) in [h.height / 2, h.height / 2, h.height - 1, 1, h.height, h.height - 1].enumerated() {
            let tasks = [image, other, image].enumerated().map { j, image in
                ImageTask(
                    height: h.height, width: h.width,
                    source: .sample(
                        seed: 9, index: UInt64(i + j), parameters: SamplingParameters(temperature: 0.9),
                        given: .rows(rows, of: image, height: h.height, width: h.width)))
            }
            var results: [Int: ImageResult] = [:]
            for (tag, task) in tasks.enumerated() { session.add(task, tag: tag) }
            while session.count > 0 { session.step { results[$0] = $1 } }
            #expect(tasks.indices.map { results[$0] } == engine.run(tasks), "\(rows) rows")
        }
        #expect(cache.status.hits > 0 && cache.status.misses > 0)
    }

    @Test func aHashThatIsTheSameForAllRowsChangesNoByte() {
        let cache = PrefixCache(byteLimit: 1 << 20) { _, _ in 7 }
        for _ in 0..<2 {
            for i in 0..<4 {
                let task = task(i, rows: 3, of: image(UInt64(i)))
                #expect(run(task, cache).0 == run(task, nil).0)
            }
        }
    }

    @Test(arguments: 0...6)
    func evictionAtAnyMomentChangesNoByteAndTheBudgetHolds(_ entries: Int) {
        let cache = PrefixCache(byteLimit: max(largestEntry * entries - 1, 0))
        var generator = SplitMix(seed: 3)
        let session = SamplingSession(engine: engine, capacity: 4, prefixCache: cache)
        let tasks = (0..<40).map { i in
            task(i, rows: Int.random(in: 0...height, using: &generator), of: image(UInt64(i % 3)))
        }
        var results: [Int: ImageResult] = [:]
        var next = 0
        while next < tasks.count || session.count > 0 {
            if next < tasks.count, session.count < 4 {
                session.add(tasks[next], tag: next)
                next += 1
            }
            _ = session.stepPiece { results[$0] = $1 }
            #expect(cache.status.bytes <= cache.byteLimit)
        }
        for (i, task) in tasks.enumerated() { #expect(results[i] == run(task, nil).0) }
        if entries > 0 { #expect(cache.status.evictions > 0) }
    }

    @Test func threadsThatShareASmallCacheDrawWhatOneDraws() {
        let cache = PrefixCache(byteLimit: largestEntry * 4)
        let tasks = (0..<48).map { i in task(i, rows: 1 + i % 4, of: image(UInt64(i % 3))) }
        let expected = tasks.map { run($0, nil).0 }
        let results = Mutex<[Int: ImageResult]>([:])
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for i in stride(from: thread, to: tasks.count, by: 4) {
                let result = run(tasks[i], cache).0
                results.withLock { $0[i] = result }
            }
        }
        #expect(tasks.indices.map { i in results.withLock { $0[i] } } == expected)
        #expect(cache.status.bytes <= cache.byteLimit)
    }

    // MARK: - Rows saved

    @Test func aKnownPrefixStartsWithoutComputingARow() {
        let (cache, image) = (PrefixCache(), image(1))
        #expect(run(task(0, rows: 4, of: image), cache).rows == 4)
        #expect(run(task(1, rows: 4, of: image), cache).rows == 0)
        #expect(run(task(1, rows: 2, of: image, temperature: 0.5), cache).rows == 0)
        #expect(run(task(1, rows: 5, of: image), cache).rows == 1)
        #expect(cache.status.misses == 1)
        #expect(cache.status.hits == 3 && cache.status.rowsSaved == 4 + 2 + 4)
    }

    @Test(arguments: [1, 3])
    func aDrawnImageIsWarmFromEveryRowThatIsKept(_ rowsBetweenCheckpoints: Int) {
        let cache = PrefixCache()
        guard case .values(let drawn) = run(task(0), cache, rowsBetweenCheckpoints: rowsBetweenCheckpoints).0 else {
            Issue.record("no values")
            return
        }
        for rows in 1..<height {
            let again = run(task(0, rows: rows, of: drawn), cache, rowsBetweenCheckpoints: 100)
            // What the rows given before have added is one state each.
            #expect(
                again.rows == (rows < rowsBetweenCheckpoints ? 1 : min(1, rows % rowsBetweenCheckpoints)),
                "\(rows) rows")
            #expect(again.0 == .values(drawn))
        }
    }

    @Test func completionsOfOnePrefixComputeItOnce() {
        for cache in [nil, PrefixCache()] {
            let session = SamplingSession(engine: engine, capacity: 8, prefixCache: cache)
            let tasks = (0..<8).map { task($0, rows: 4, of: image($0 == 7 ? 2 : 1)) }
            for (tag, task) in tasks.enumerated() { session.add(task, tag: tag) }
            var results: [Int: ImageResult] = [:]
            while session.count > 0 { session.step { results[$0] = $1 } }
            #expect(session.prefilledRows == 2 * 4)
            for (i, task) in tasks.enumerated() { #expect(results[i] == run(task, nil).0) }
            #expect(Set(results.values.map { "\($0)" }).count == 8)
        }
    }

    @Test func aCompletionThatIsDroppedLeavesItsPrefixToTheNext() {
        let session = SamplingSession(engine: engine, capacity: 3)
        let tasks = (0..<3).map { task($0, rows: 4, of: image(1)) }
        for (tag, task) in tasks.enumerated() { session.add(task, tag: tag) }
        for _ in 0..<2 { session.step { _, _ in } }
        session.removeAll { $0 == 0 }
        var results: [Int: ImageResult] = [:]
        while session.count > 0 { session.step { results[$0] = $1 } }
        #expect(results == [1: run(tasks[1], nil).0, 2: run(tasks[2], nil).0].compactMapValues(\.self))
    }

    @Test func rowsOfAnotherClassOrWidthAreOthers() {
        let model = SmallModels.conditional[0].model
        let (engine, h) = (Engine(model: model), model.hyperparameters)
        let cache = PrefixCache()
        let session = SamplingSession(engine: engine, capacity: 4, prefixCache: cache)
        let black = [UInt16](repeating: 0, count: h.channels * h.height * (h.width + 1))
        var expectedRows = 0
        for width in [h.width, h.width + 1] {
            for label in 0..<h.labels {
                let image = Array(black[..<(h.channels * h.height * width)])
                let task = ImageTask(
                    height: h.height, width: width, label: label,
                    source: .sample(
                        seed: 1, index: 0, parameters: SamplingParameters(),
                        given: .rows(2, of: image, height: h.height, width: width)))
                session.add(task, tag: 0)
                var result: ImageResult?
                while session.count > 0 { session.step { result = $1 } }
                #expect(result == engine.run([task])[0])
                expectedRows += 2
                #expect(session.prefilledRows == expectedRows)
            }
        }
    }

    // MARK: - What goes

    @Test func aPrefixInUseOutlivesImagesThatNobodyAsksFor() {
        let (cache, image) = (PrefixCache(byteLimit: largestEntry * 8), image(1))
        for i in 0..<2 { _ = run(task(i, rows: 4, of: image), cache, rowsBetweenCheckpoints: 100) }
        for i in 0..<20 { _ = run(task(i), cache) }
        #expect(cache.status.evictions > 20)
        #expect(run(task(2, rows: 4, of: image), cache).rows == 0)
    }

    /// What is being copied stays in memory, so it counts until it has been.
    @Test func whatIsBeingReadIsNotEvicted() {
        var prefixes: [RowPrefix] = []
        for seed in 0..<3 {
            var prefix = RowPrefix(width: width)
            prefix.append(rowOf: image(UInt64(seed)), height: height)
            prefixes.append(prefix)
        }
        let count = layout(width: width).checkpointCount
        let bytes = PrefixCache.Entry.byteCount(checkpoint: count, values: 3 * width)
        var contents = PrefixCache.Contents(byteLimit: 2 * bytes)
        func makeRoom(_ i: Int) -> (hasRoom: Bool, used: FloatBuffer?) {
            contents.makeRoom(
                for: PrefixCache.Key(prefixes[i], rows: 1), prefixes[i].values(rows: 1), bytes: bytes, checkpoint: count
            )
        }
        func insert(_ i: Int, _ checkpoint: FloatBuffer) {
            contents.insert(
                PrefixCache.Entry(
                    key: PrefixCache.Key(prefixes[i], rows: 1), values: Array(prefixes[i].values(rows: 1)),
                    checkpoint: checkpoint))
        }
        for i in 0..<2 {
            #expect(makeRoom(i).hasRoom)
            insert(i, FloatBuffer(uninitializedCount: count))
        }
        let read = prefixes[..<2].compactMap { contents.longest(of: $0) }
        #expect(read.count == 2 && !makeRoom(2).hasRoom && contents.status.entries == 2)
        read[0].readers -= 1
        let (hasRoom, used) = makeRoom(2)
        #expect(hasRoom && used === read[0].checkpoint && contents.status.bytes == 2 * bytes)
        // Room that is promised is no longer there for others, though its checkpoint is not yet.
        #expect(!makeRoom(0).hasRoom)
        if let used { insert(2, used) }
        #expect(contents.status.entries == 2 && contents.status.bytes == 2 * bytes && contents.status.evictions == 1)
        #expect(contents.longest(of: prefixes[1]) === read[1] && contents.longest(of: prefixes[0]) == nil)
    }

    // MARK: - Memory of images that are done

    @Test(arguments: SmallModels.all.indices)
    func usedRowCachesChangeNoByte(_ index: Int) {
        let engine = Engine(model: SmallModels.all[index].model)
        let h = engine.hyperparameters
        let session = SamplingSession(engine: engine, capacity: 2)
        for i in 0..<8 {
            let task = ImageTask(
                height: h.height + i % 3, width: h.width + i / 2 % 2,
                source: .sample(seed: 8, index: UInt64(i), parameters: SamplingParameters()))
            var result: ImageResult?
            session.add(task, tag: 0)
            while session.count > 0 { session.step { result = $1 } }
            #expect(result == engine.run([task])[0])
        }
    }

    @Test func idleRowCachesAreReusedAndBounded() {
        let bytes = engine.cacheBytes(width: width)
        let pool = RowCachePool(byteLimit: 2 * bytes)
        let caches = (0..<3).map { _ in pool.take(layout(width: width)) }
        #expect(pool.bytes == 0)
        for cache in caches { pool.put(cache) }
        #expect(pool.bytes == 2 * bytes)
        #expect(pool.take(layout(width: width)) === caches[2])
        #expect(pool.take(layout(width: width + 1)).layout.width == width + 1)
        #expect(pool.bytes == bytes)
    }

    @Test func idleRowCachesLeaveRoomForThoseInUse() {
        let bytes = engine.cacheBytes(width: width)
        let pool = RowCachePool(byteLimit: 4 * bytes, totalByteLimit: 3 * bytes)
        let caches = (0..<4).map { _ in pool.take(layout(width: width)) }
        for (idle, cache) in caches.enumerated() {  // beside three, two, one and none in use
            pool.put(cache)
            #expect(pool.bytes == idle * bytes)
        }
        let narrow = pool.take(layout(width: 1))
        #expect(narrow.layout.byteCount < bytes && pool.bytes == 2 * bytes)
    }
}
