// What can be asked of the scheduler. A job is all images of one request; each image is computed on its own.

import PixelCNNEngine

// Three values of the engine's are part of a job or of the status: named here, so that whoever gives jobs to the
// scheduler needs no engine.
package typealias SamplingParameters = PixelCNNEngine.SamplingParameters
package typealias GivenPixels = PixelCNNEngine.GivenPixels
package typealias PrefixCacheStatus = PixelCNNEngine.PrefixCacheStatus

/// Images to draw: `count` of them, numbered from `firstIndex`.
package struct SamplingJob: Sendable {
    /// Images, ≥ 1.
    package var count: Int
    /// The seed that all of them share.
    package var seed: UInt64
    /// The index of the first image; `firstIndex + count` ≤ 2⁶⁴.
    package var firstIndex: UInt64
    /// Rows.
    package var height: Int
    /// Columns.
    package var width: Int
    /// The images' class, where the model is conditional.
    package var label: Int?
    /// How values are drawn; must be valid for the model.
    package var parameters: SamplingParameters
    /// Pixels that are given and not drawn, of an image of this size; the same for all images.
    package var given: GivenPixels?
    /// When the job fails, waiting or running, with ``SchedulerError/deadlineExceeded``; nil for never.
    package var deadline: ContinuousClock.Instant?
    /// Called by a compute thread when it takes the first image up, with the seconds that the job has waited.
    package var started: (@Sendable (_ queueSeconds: Double) -> Void)?

    /// A job as given; nothing is checked here.
    package init(
        count: Int, seed: UInt64, firstIndex: UInt64 = 0, height: Int, width: Int, label: Int? = nil,
        parameters: SamplingParameters = SamplingParameters(), given: GivenPixels? = nil,
        deadline: ContinuousClock.Instant? = nil
    ) {
        (self.count, self.seed, self.firstIndex) = (count, seed, firstIndex)
        (self.height, self.width, self.label) = (height, width, label)
        (self.parameters, self.given, self.deadline) = (parameters, given, deadline)
    }
}

/// Images whose log-probabilities are wanted.
package struct ScoringJob: Sendable {
    /// Values 0 … d − 1, (count, C, height, width).
    package var values: [UInt16]
    /// Images, ≥ 1.
    package var count: Int
    /// Rows.
    package var height: Int
    /// Columns.
    package var width: Int
    /// The images' class, where the model is conditional.
    package var label: Int?
    /// Called by a compute thread when it takes the first image up, with the seconds that the job has waited.
    package var started: (@Sendable (_ queueSeconds: Double) -> Void)?

    /// A job as given; nothing is checked here.
    package init(values: [UInt16], count: Int, height: Int, width: Int, label: Int? = nil) {
        (self.values, self.count, self.height, self.width) = (values, count, height, width)
        self.label = label
    }
}

/// Why a job was not done.
package enum SchedulerError: Error, Equatable {
    /// The queue has no room for the job's images now; it should have in about that time.
    case queueFull(retryAfterSeconds: Int)
    /// The job's deadline passed before all its images were complete.
    case deadlineExceeded
    /// The scheduler has stopped.
    case stopped
}

/// What the scheduler is doing.
package struct SchedulerStatus: Sendable, Equatable {
    /// Requests with at least one image being computed.
    package var requestsInFlight = 0
    /// Requests none of whose images has been taken up.
    package var requestsQueued = 0
    /// Images being computed.
    package var imagesInFlight = 0
    /// Images waiting.
    package var imagesQueued = 0
    /// Images finished since the start.
    package var imagesCompleted: UInt64 = 0
    /// Values (C·H·W an image) of the images finished since the start.
    package var valuesDrawn: UInt64 = 0
    /// Worker threads.
    package var threads = 0
    /// Seconds that all threads together have computed since the start.
    package var busySeconds = 0.0
    /// Steps since the start. A step takes images that stand together one pixel further.
    package var steps: UInt64 = 0
    /// Images taken a pixel further since the start: ÷ steps, how many a step has.
    package var imageSteps: UInt64 = 0
    /// What is remembered of first rows, and what that has saved.
    package var prefixCache = PrefixCacheStatus()

    /// All zero.
    package init() {}

    /// What only grows: without what is in flight or queued, and without the threads.
    package var totals: SchedulerStatus {
        var totals = self
        (totals.requestsInFlight, totals.requestsQueued, totals.imagesInFlight, totals.imagesQueued) = (0, 0, 0, 0)
        totals.threads = 0
        totals.prefixCache = prefixCache.totals
        return totals
    }

    /// Adds another scheduler's counts; the threads and the cache's limit stay those of `sum`.
    package static func += (sum: inout SchedulerStatus, other: SchedulerStatus) {
        sum.requestsInFlight += other.requestsInFlight
        sum.requestsQueued += other.requestsQueued
        sum.imagesInFlight += other.imagesInFlight
        sum.imagesQueued += other.imagesQueued
        sum.imagesCompleted += other.imagesCompleted
        sum.valuesDrawn += other.valuesDrawn
        sum.busySeconds += other.busySeconds
        sum.steps += other.steps
        sum.imageSteps += other.imageSteps
        sum.prefixCache += other.prefixCache
    }
}
