// What the routes need of the scheduler, and no more. With it the routes are tested against a backend that is full,
// slow or stopped on purpose, which a real scheduler is only by chance.

public import PixelCNNScheduler

/// Draws and scores images.
public protocol ComputeBackend: Sendable {
    /// Counters at this moment.
    var status: SchedulerStatus { get }

    /// Refuses at once what would be refused anyway: a flood costs little.
    func checkRoom(for images: Int) throws(SchedulerError)

    /// Draws images; the values are (count, C, height, width), each 0…d−1. `progress` tells what is complete meanwhile
    /// and ends with the job. Cancelling the task frees the images.
    func sample(_ job: SamplingJob, progress: JobProgress?) async throws -> [UInt16]

    /// Log-probabilities in nats, (count, C, height, width).
    func score(_ job: ScoringJob) async throws -> [Float]
}

extension ComputeBackend {
    /// Draws images that nobody watches.
    func sample(_ job: SamplingJob) async throws -> [UInt16] {
        try await self.sample(job, progress: nil)
    }
}

extension Scheduler: ComputeBackend {}
