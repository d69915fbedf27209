// What cannot be read from the counters of SchedulerStatus afterwards, because it is a distribution.

/// Hears of jobs as they go. Called by compute threads, so it must be quick and must not wait.
package protocol SchedulerObserver: Sendable {
    /// The first image of a job has been taken up, `queueSeconds` after the job came.
    func jobStarted(queueSeconds: Double)
}
