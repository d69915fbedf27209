// The one owner of compute: a fixed pool of threads that steps all images in flight. Callers wait without holding a
// thread; a caller that is cancelled frees its images within a piece of a step.

import PixelCNNEngine
import Support

/// Runs jobs on the project's own threads. Shared by all requests.
package final class Scheduler: Sendable {
    /// The most images that one thread steps together: past it a step only gets longer, not cheaper per image.
    private static let imagesPerThread = 64
    /// Row caches of some thousand images of 32 columns, or of 35 of 1024, of the published network.
    package static let defaultMaximumCacheBytes = 1 << 30

    /// Sampled rows between two checkpoints that are kept of an image of a large job. Of a small job every row's is
    /// kept: whoever samples a few images looks at them, and may request one of them again from some row on.
    private static let rowsBetweenCheckpointsOfLarge = 4

    private let engine: Engine
    private let prefixCache: PrefixCache?
    private let queue: JobQueue
    private let threads: [ComputeThread]
    private let heartbeats: [Heartbeat]  // of each thread

    /// Starts `threads` workers. While images wait, jobs that would make it more than `maximumQueuedImages` are
    /// refused. Images whose row caches would make it more than `maximumCacheBytes` in flight wait; one of a small job
    /// and one of a large job may always run. Row caches of images that are done are kept for the next ones within the
    /// same bound. What the network knows of first rows is kept in `prefixCacheBytes` at most, 0 for not at all.
    /// `jobStarted` is called by a compute thread when it takes up the first image of a job, with the seconds that the
    /// job has waited; it must be quick and must not wait.
    ///
    /// - Throws: ``Failure`` (71) where the system does not start so many threads; none is left behind then.
    package init(
        engine: Engine, threads: Int, maximumQueuedImages: Int,
        maximumCacheBytes: Int = Scheduler.defaultMaximumCacheBytes,
        prefixCacheBytes: Int = PrefixCache.defaultByteLimit, faults: DebugFaults = DebugFaults(),
        jobStarted: (@Sendable (_ queueSeconds: Double) -> Void)? = nil
    ) throws(Failure) {
        precondition(threads > 0)
        let queue = JobQueue(
            threads: threads, maximumQueuedImages: maximumQueuedImages, imagesPerWorker: Scheduler.imagesPerThread,
            maximumCacheBytes: maximumCacheBytes)
        let heartbeats = (0..<threads).map { _ in Heartbeat() }
        let prefixCache = prefixCacheBytes > 0 ? PrefixCache(byteLimit: prefixCacheBytes) : nil
        let rowCaches = RowCachePool(totalByteLimit: maximumCacheBytes)
        self.engine = engine
        self.queue = queue
        self.heartbeats = heartbeats
        self.prefixCache = prefixCache
        var started: [ComputeThread] = []
        do throws(Failure) {
            for (i, heartbeat) in heartbeats.enumerated() {
                let thread = try ComputeThread(name: "compute-\(i)") {
                    Worker(
                        number: i, queue: queue, heartbeat: heartbeat, faults: faults, jobStarted: jobStarted
                    ) { size in
                        SamplingSession(
                            engine: engine, capacity: Scheduler.imagesPerThread, prefixCache: prefixCache,
                            rowsBetweenCheckpoints: size == .small ? 1 : Scheduler.rowsBetweenCheckpointsOfLarge,
                            rowCaches: rowCaches)
                    }.run()
                }
                started.append(thread)
            }
        } catch {
            _ = queue.stop()
            throw error
        }
        self.threads = started
    }

    /// Bytes that one thread takes beside row caches: a session per size of jobs.
    package static func threadBytes(_ engine: Engine) -> Int {
        JobSize.allCases.count * engine.sessionBytes(images: imagesPerThread)
    }

    /// What is going on now.
    package var status: SchedulerStatus {
        var status = queue.status
        if let prefixCache { status.prefixCache = prefixCache.status }
        return status
    }

    /// The longest that a thread with images has gone without a step until now; zero where none has any.
    package var longestSilence: Duration { heartbeats.map(\.silence).max() ?? .zero }

    /// Refuses a job of `images` images that would be refused now: cheaper than making the job first. `others` are
    /// images that will have been queued by then.
    /// - Throws: ``SchedulerError/queueFull(retryAfterSeconds:)`` or ``SchedulerError/stopped``.
    package func checkRoom(for images: Int, behind others: Int = 0) throws(SchedulerError) {
        try queue.checkRoom(for: images, behind: others)
    }

    /// Samples images: values 0 … d − 1, (count, C, H, W).
    /// - Throws: ``SchedulerError``, or `CancellationError` where the calling task was cancelled.
    package func sample(_ job: SamplingJob) async throws -> [UInt16] { try await sampled(job).values }

    /// Samples images; with their log-probabilities where the job wants them.
    /// - Throws: ``SchedulerError``, or `CancellationError` where the calling task was cancelled.
    package func sampled(_ job: SamplingJob) async throws -> SampledValues {
        let results = try await run(makeJob(job, progress: nil))
        let count = results.reduce(0) { $0 + $1.count }
        var sampled = SampledValues(values: [])
        sampled.values.reserveCapacity(count)
        guard job.measuresDraws else {
            for case .values(let image) in results { sampled.values += image }
            return sampled
        }
        var all = DrawLogProbabilities(model: [])
        all.model.reserveCapacity(count)
        for case .measuredValues(let image, let logProbabilities) in results {
            sampled.values += image
            all += logProbabilities
        }
        sampled.logProbabilities = all
        return sampled
    }

    /// Samples images for whoever reads `progress`, which ends with the job. What has been read there is not kept.
    /// - Throws: ``SchedulerError``, or `CancellationError` where the calling task was cancelled.
    package func stream(_ job: SamplingJob, to progress: JobProgress) async throws {
        _ = try await run(makeJob(job, progress: progress))
    }

    private func makeJob(_ job: SamplingJob, progress: JobProgress?) -> Job {
        Job(
            count: job.count, size: size(job.count, job.height, job.width),
            cacheBytesPerImage: engine.cacheBytes(width: job.width), deadline: job.deadline, progress: progress,
            started: job.started
        ) { i in
            ImageTask(
                height: job.height, width: job.width, label: job.label,
                source: .sample(
                    seed: job.seed, index: job.firstIndex + UInt64(i), parameters: job.parameters, given: job.given),
                measuresDraws: job.measuresDraws)
        }
    }

    private func size(_ images: Int, _ height: Int, _ width: Int) -> JobSize {
        let model = engine.hyperparameters
        return JobSize(images: images, pixels: height * width, modelPixels: model.height * model.width)
    }

    /// Scores images: log-probabilities in nats, (count, C, H, W).
    /// - Throws: ``SchedulerError``, or `CancellationError` where the calling task was cancelled.
    package func score(_ job: ScoringJob) async throws -> [Float] {
        let size = job.values.count / job.count
        let results = try await run(
            Job(
                count: job.count, size: self.size(job.count, job.height, job.width),
                cacheBytesPerImage: engine.cacheBytes(width: job.width), started: job.started
            ) { i in
                ImageTask(
                    height: job.height, width: job.width, label: job.label,
                    source: .score(values: Array(job.values[i * size..<(i + 1) * size])))
            })
        var logProbabilities: [Float] = []
        logProbabilities.reserveCapacity(job.values.count)
        for case .logProbabilities(let image) in results { logProbabilities += image }
        return logProbabilities
    }

    /// Touches every weight once, so that the first request finds them in memory.
    package func warmUp() async throws {
        let label = engine.hyperparameters.isConditional ? 0 : nil
        _ = try await sample(SamplingJob(count: status.threads, seed: 0, height: 2, width: 2, label: label))
    }

    /// Ends the workers within a piece of a step; jobs that have not ended throw ``SchedulerError/stopped``.
    package func stop() async {
        for job in queue.stop() { job.fail(SchedulerError.stopped) }
        for thread in threads { await thread.waitForEnd() }
    }

    private func run(_ job: Job) async throws -> [ImageResult] {
        defer { if job.deadline != nil { queue.remove(job) } }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiter in
                guard job.start(waiter) else { return }
                do { try queue.admit(job) } catch { job.fail(error) }
            }
        } onCancel: {
            job.fail(CancellationError())
            queue.remove(job)
        }
    }
}
