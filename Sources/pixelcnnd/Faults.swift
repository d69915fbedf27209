// Faults made on purpose, for tests of what must notice them. Off unless PIXELCNND_DEBUG_FAULTS=1: no request can then
// do harm. Armed, a request for samples with one of three seeds hangs, as a bug would, what works for all of them, and
// the watchdog and the end's bound must act.

import Foundation
import PixelCNNScheduler
import PixelCNNServer

enum Faults {
    /// Hangs the compute thread that takes it up.
    static let seedThatHangsCompute: UInt64 = 0xdead_beef
    /// Hangs every event loop.
    static let seedThatHangsLoops: UInt64 = 0xdead_bef0
    /// Hangs all threads of Swift's pool.
    static let seedThatHangsPool: UInt64 = 0xdead_bef1

    private static func areArmed(_ environment: [String: String]) -> Bool {
        environment["PIXELCNND_DEBUG_FAULTS"] == "1"
    }

    /// Those of compute threads.
    static func compute(_ environment: [String: String]) -> DebugFaults {
        DebugFaults(hangingSeed: areArmed(environment) ? seedThatHangsCompute : nil)
    }

    /// The scheduler itself, unless faults are armed.
    static func backend(_ scheduler: Scheduler, _ environment: [String: String]) -> any ComputeBackend {
        areArmed(environment) ? HangingBackend(scheduler: scheduler) : scheduler
    }

    fileprivate static func hang() {
        while true { sleep(1000) }
    }
}

/// A scheduler that hangs what the seed says.
private struct HangingBackend: ComputeBackend {
    let scheduler: Scheduler

    var status: SchedulerStatus { scheduler.status }

    func checkRoom(for images: Int, behind others: Int) throws(SchedulerError) {
        try scheduler.checkRoom(for: images, behind: others)
    }

    func sampled(_ job: SamplingJob) async throws -> SampledValues {
        switch job.seed {
        case Faults.seedThatHangsLoops: for loop in UnixSocketServer.eventLoops { loop.execute { Faults.hang() } }
        case Faults.seedThatHangsPool: for _ in 0..<1024 { Task.detached { Faults.hang() } }
        default: break
        }
        return try await scheduler.sampled(job)
    }

    func stream(_ job: SamplingJob, to progress: JobProgress) async throws {
        try await scheduler.stream(job, to: progress)
    }

    func score(_ job: ScoringJob) async throws -> [Float] { try await scheduler.score(job) }
}
