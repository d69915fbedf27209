// What a running job has so far, for whoever streams it. Workers write, a reader pulls at its own pace: neither waits
// for the other, and a slow reader costs no more memory than the job's values, once as rows and once as images. A
// worker pays an addition a row, and a copy of it only where rows are streamed.

import DequeModule
import PixelCNNEngine
import Synchronization

/// One thing that a running job has completed. `image` counts from 0 within the job.
package enum JobUpdate: Sendable, Equatable {
    /// A row's values, (C, W).
    case row(image: Int, row: Int, values: [UInt16])
    /// An image's values, (C, H, W); its rows came before.
    case image(Int, values: [UInt16])
}

/// A job's progress. Of one job: made for it, given to ``Scheduler/stream(_:to:)``, read meanwhile.
package final class JobProgress: Sendable {
    /// Rings when something has changed since the last ring was taken, a row at a time; only one ring is kept. Finishes
    /// when the job has ended, whichever way. For one reader.
    package let changes: AsyncStream<Void>

    let streamsRows: Bool
    private let bell: AsyncStream<Void>.Continuation
    private let values = Atomic<Int>(0)
    private let images = Atomic<Int>(0)
    private let updates = Mutex<Deque<JobUpdate>>([])

    /// Progress of a job that has not begun. Without `streamsRows` only whole images are told of.
    package init(streamsRows: Bool) {
        self.streamsRows = streamsRows
        (changes, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Values that are drawn or given, of count · C · H · W.
    package var valuesDone: Int { values.load(ordering: .relaxed) }

    /// Images that are complete.
    package var imagesDone: Int { images.load(ordering: .relaxed) }

    /// What has been completed and not taken yet, the oldest of it.
    package func takeUpdate() -> JobUpdate? { updates.withLock { $0.popFirst() } }

    // MARK: - Backends

    /// Takes in a row of `count` values, (C, W); `makeValues` is called where rows are streamed.
    package func finish(row: Int, of image: Int, count: Int, values makeValues: () -> [UInt16]) {
        if streamsRows {
            let update = JobUpdate.row(image: image, row: row, values: makeValues())
            updates.withLock { $0.append(update) }
        }
        values.wrappingAdd(count, ordering: .relaxed)
        bell.yield()
    }

    /// Takes in a complete image, (C, H, W), whose rows have been taken in.
    package func finish(image: Int, values: [UInt16]) {
        updates.withLock { $0.append(.image(image, values: values)) }
        images.wrappingAdd(1, ordering: .relaxed)
        bell.yield()
    }

    /// The job has ended.
    package func end() { bell.finish() }
}
