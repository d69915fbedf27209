// What the routes need of the scheduler, and no more. With it the routes are tested against a backend that is full,
// slow or stopped on purpose, which a real scheduler is only by chance.

import PixelCNNScheduler

/// Samples and scores images.
package protocol ComputeBackend: Sendable {
    /// Counters at this moment.
    var status: SchedulerStatus { get }

    /// Refuses at once what would be refused anyway, were `others` more images queued: a flood costs little.
    func checkRoom(for images: Int, behind others: Int) throws(SchedulerError)

    /// Samples images, with their log-probabilities where the job wants them. Cancelling the task frees the images.
    func sampled(_ job: SamplingJob) async throws -> SampledValues

    /// Samples images for whoever reads `progress`, which ends with the job. Cancelling the task frees the images.
    func stream(_ job: SamplingJob, to progress: JobProgress) async throws

    /// Log-probabilities in nats, (count, C, height, width).
    func score(_ job: ScoringJob) async throws -> [Float]
}

extension ComputeBackend {
    func checkRoom(for images: Int) throws(SchedulerError) { try checkRoom(for: images, behind: 0) }
}

extension Scheduler: ComputeBackend {}
