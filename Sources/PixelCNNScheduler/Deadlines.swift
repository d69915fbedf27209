// Jobs that must be done by a time. No timer a job: workers compare the clock, which they read anyway, with the
// earliest deadline after each piece, and only a deadline that has passed costs more than that.

import Synchronization

/// Jobs by their deadlines. Changed under the owner's lock, asked without.
final class Deadlines: @unchecked Sendable {
    private let origin = ContinuousClock.now
    private let earliest = Atomic<Int64>(.max)  // nanoseconds after `origin`; of jobs that may have ended
    private var jobs: [ObjectIdentifier: (job: Job, deadline: ContinuousClock.Instant)] = [:]

    /// Whether a deadline has passed; the job may have ended.
    func havePassed(at now: ContinuousClock.Instant) -> Bool {
        let earliest = earliest.load(ordering: .relaxed)
        return earliest != .max && earliest <= (now - origin).nanoseconds
    }

    /// The earliest deadline, of a job that may have ended.
    var first: ContinuousClock.Instant? {
        let earliest = earliest.load(ordering: .relaxed)
        return earliest == .max ? nil : origin + .nanoseconds(earliest)
    }

    func add(_ job: Job) {
        guard let deadline = job.deadline else { return }
        jobs[ObjectIdentifier(job)] = (job, deadline)
        let new = (deadline - origin).nanoseconds
        if new < earliest.load(ordering: .relaxed) { earliest.store(new, ordering: .relaxed) }
    }

    func remove(_ job: Job) { jobs[ObjectIdentifier(job)] = nil }

    /// Takes out the jobs whose deadline has passed.
    func removePassed(at now: ContinuousClock.Instant) -> [Job] {
        let late = jobs.values.filter { $0.deadline <= now }.map(\.job)
        for job in late { remove(job) }
        let next = jobs.values.map(\.deadline).min()
        earliest.store(next.map { ($0 - origin).nanoseconds } ?? .max, ordering: .relaxed)
        return late
    }
}
