// A backend whose responses are known, and which can be full, slow, stopped or broken on purpose.

import PixelCNNScheduler
import Synchronization

@testable import PixelCNNServer

final class FakeBackend: ComputeBackend {
    enum Behaviour: Sendable {
        case responding
        /// Waits until it is let go, or is cancelled.
        case waiting
        case full
        /// Full when the second job comes, and not any more when it comes again.
        case fullOnce
        /// Full, and says so before a job is made.
        case crowded
        case late
        case stopped
        case broken
    }

    struct Broken: Error, CustomStringConvertible {
        var description: String { "a secret of the machine room" }
    }

    struct Log {
        var behaviour: Behaviour
        var samplingJobs: [SamplingJob] = []
        var scoringJobs: [ScoringJob] = []
        var running = 0
        var cancelled = 0
        var whenAsked: @Sendable () -> Void = {}
    }

    private let log: Mutex<Log>
    private let channels: Int
    private let colors: UInt64

    init(_ behaviour: Behaviour = .responding, channels: Int = 3, colors: Int = 256) {
        self.log = Mutex(Log(behaviour: behaviour))
        self.channels = channels
        self.colors = UInt64(colors)
    }

    var behaviour: Behaviour {
        get { log.withLock { $0.behaviour } }
        set { log.withLock { $0.behaviour = newValue } }
    }
    var samplingJobs: [SamplingJob] { log.withLock { $0.samplingJobs } }
    var scoringJobs: [ScoringJob] { log.withLock { $0.scoringJobs } }
    var running: Int { log.withLock { $0.running } }
    var cancelled: Int { log.withLock { $0.cancelled } }

    /// What happens while its status is read.
    var whenAsked: @Sendable () -> Void {
        get { log.withLock { $0.whenAsked } }
        set { log.withLock { $0.whenAsked = newValue } }
    }

    var status: SchedulerStatus {
        whenAsked()
        var status = SchedulerStatus()
        (status.requestsInFlight, status.requestsQueued) = (1, 2)
        (status.imagesInFlight, status.imagesQueued) = (3, 4)
        (status.imagesCompleted, status.valuesDrawn, status.threads) = (5, 6, 7)
        return status
    }

    /// Refuses before the job where it is crowded; whoever is refused where it is full is so by the job itself.
    func checkRoom(for images: Int, behind others: Int) throws(SchedulerError) {
        if case .crowded = behaviour { throw .queueFull(retryAfterSeconds: 7) }
    }

    func sampled(_ job: SamplingJob) async throws -> SampledValues {
        log.withLock { $0.samplingJobs.append(job) }
        try await behave()
        let values = values(of: job)
        return SampledValues(
            values: values, logProbabilities: job.measuresDraws ? logProbabilities(of: values, job) : nil)
    }

    /// What it scores values with; a half of that where they are not drawn from the model's distribution.
    private func logProbabilities(of values: [UInt16], _ job: SamplingJob) -> DrawLogProbabilities {
        let model = values.map { -Float($0) / 16 }
        let isChanged = job.parameters.changeDistribution(of: Int(colors))
        return DrawLogProbabilities(model: model, proposal: isChanged ? model.map { $0 / 2 } : [])
    }

    func stream(_ job: SamplingJob, to progress: JobProgress) async throws {
        defer { progress.end() }
        report(try await sampled(job).values, of: job, to: progress)
    }

    /// Rows of an image, then the image, then the next one.
    private func report(_ values: [UInt16], of job: SamplingJob, to progress: JobProgress) {
        let plane = job.height * job.width
        let size = channels * plane
        for image in 0..<job.count {
            let picture = Array(values[image * size..<(image + 1) * size])
            for row in 0..<job.height {
                progress.finish(row: row, of: image, count: channels * job.width) {
                    (0..<channels).flatMap { c -> ArraySlice<UInt16> in
                        let start = c * plane + row * job.width
                        return picture[start..<start + job.width]
                    }
                }
            }
            progress.finish(
                image: image, values: picture,
                logProbabilities: job.measuresDraws ? logProbabilities(of: picture, job) : nil)
        }
    }

    func score(_ job: ScoringJob) async throws -> [Float] {
        log.withLock { $0.scoringJobs.append(job) }
        try await behave()
        return job.values.map { -Float($0) / 16 }
    }

    /// Values that depend on seed, index and position only, as the engine's do.
    func values(of job: SamplingJob) -> [UInt16] {
        (0..<job.count).flatMap { image in
            let start = job.seed &+ (job.firstIndex &+ UInt64(image)) &* 31
            return (0..<channels * job.height * job.width).map {
                UInt16((start &+ UInt64($0) &* 7) % colors)
            }
        }
    }

    private func behave() async throws {
        if case .waiting = behaviour {
            log.withLock { $0.running += 1 }
            defer { log.withLock { $0.running -= 1 } }
            while case .waiting = behaviour {
                do {
                    try await Task.sleep(for: .milliseconds(5))
                } catch {
                    log.withLock { $0.cancelled += 1 }
                    throw error
                }
            }
        }
        // What a job that waited comes to in the end.
        switch behaviour {
        case .responding, .waiting: return
        case .fullOnce:
            if scoringJobs.count == 2 { throw SchedulerError.queueFull(retryAfterSeconds: 0) }
        case .full, .crowded: throw SchedulerError.queueFull(retryAfterSeconds: 9)
        case .late: throw SchedulerError.deadlineExceeded
        case .stopped: throw SchedulerError.stopped
        case .broken: throw Broken()
        }
    }
}
