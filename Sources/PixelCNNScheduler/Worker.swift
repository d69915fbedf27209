// The loop of one compute thread: take a share of what waits, step everything one pixel, hand out what is finished.
// Images join and leave between steps (continuous batching). A worker with nothing to do helps one that has a single
// image.

import Foundation
import PixelCNNEngine

/// One thread's session and the images in it.
final class Worker {
    private let number: Int
    private let queue: JobQueue
    private let heartbeat: Heartbeat
    private let faults: DebugFaults
    private let session: SamplingSession
    private var images: [Int: PendingImage] = [:]  // by tag
    private var nextTag = 0

    init(number: Int, engine: Engine, queue: JobQueue, heartbeat: Heartbeat, faults: DebugFaults, capacity: Int) {
        (self.number, self.queue, self.heartbeat, self.faults) = (number, queue, heartbeat, faults)
        session = SamplingSession(engine: engine, capacity: capacity)
        queue.enlist(number, session.assistance)
        session.finishRow = { [unowned self] tag, row in
            guard let image = images[tag] else { return }
            image.job.finish(row: row, of: image.image)
        }
    }

    /// Works until the queue stops.
    func run() {
        Kernels.resetFloatState()
        defer { for image in images.values { image.job.fail(SchedulerError.stopped) } }
        while !queue.shouldStop {
            heartbeat.beat()
            for image in queue.take(worker: number, capacity: session.capacity) { add(image) }
            if session.count > 0 {
                step()
            } else {
                heartbeat.rest()
                rest()
            }
        }
        heartbeat.rest()
    }

    /// Nothing to do: waits for images, or helps another worker meanwhile.
    private func rest() {
        guard case .help(let worker, let assistance) = queue.nextTurn() else { return }
        assistance.help { !queue.isCalling }
        queue.didHelp(worker)
    }

    private func add(_ image: PendingImage) {
        images[nextTag] = image
        let task = image.job.task(image.image)
        session.add(task, tag: nextTag)
        nextTag += 1
        if let hangingSeed = faults.hangingSeed, case .sample(hangingSeed, _, _, _) = task.source { hang() }
    }

    /// The fault of ``DebugFaults/hangingSeed``.
    private func hang() {
        while !queue.shouldStop { Thread.sleep(forTimeInterval: 0.01) }
    }

    private func step() {
        let clock = ContinuousClock()
        let start = clock.now
        var left: [PendingImage] = []
        var finished: [(PendingImage, ImageResult)] = []
        session.removeAll { tag in
            guard let image = images[tag], image.job.isEnded else { return false }
            left.append(image)
            images[tag] = nil
            return true
        }
        session.step { tag, result in
            if let image = images.removeValue(forKey: tag) { finished.append((image, result)) }
        }
        let values = finished.reduce(0) { $0 + $1.1.count }
        // Counts first: a caller that has its answer sees it counted.
        let seconds = (clock.now - start).seconds
        queue.didLeave(
            number, left + finished.map(\.0), completed: finished.count, values: values, seconds: seconds)
        for (image, result) in finished { image.job.finish(image: image.image, result: result) }
    }
}

extension Duration {
    /// This duration in seconds.
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
