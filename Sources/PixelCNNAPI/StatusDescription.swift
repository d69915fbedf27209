// What `GET /v1/status` answers: what is in flight, what waits, and what has been done since the start.

/// The daemon's state at one moment.
package struct StatusDescription: Sendable, Equatable, Codable {
    /// Whether requests are taken.
    package enum State: String, Sendable, Codable {
        /// The model is being loaded, verified or warmed up.
        case loading
        /// Requests are answered.
        case ready
        /// Running requests are finished; no connection is accepted any more.
        case draining
    }

    /// Whether requests are taken.
    package var state: State
    /// Requests being computed.
    package var requestsInFlight: Int
    /// Requests waiting.
    package var requestsQueued: Int
    /// Images being computed.
    package var imagesInFlight: Int
    /// Images waiting.
    package var imagesQueued: Int
    /// Images finished since the start.
    package var imagesCompleted: UInt64
    /// Values drawn since the start.
    package var valuesDrawn: UInt64
    /// Images a second, averaged since the start.
    package var meanImagesPerSecond: Double
    /// Values a second, averaged since the start.
    package var meanValuesPerSecond: Double
    /// Images a second over the last minute.
    package var imagesPerSecond: Double
    /// Values a second over the last minute.
    package var valuesPerSecond: Double
    /// Images that a step took a pixel further together, over the last minute; 0 where there was none.
    package var imagesPerStep: Double
    /// Compute threads that were busy, on average over the last minute.
    package var busyThreads: Double
    /// Memory of the daemon, in bytes; 0 where it cannot be told.
    package var residentBytes: Int
    /// What is remembered of first rows, and what that has saved since the start.
    package var prefixCache: PrefixCacheDescription
    /// Number of compute threads.
    package var threads: Int
    /// Seconds since the start.
    package var uptimeSeconds: Double
    /// Process identifier of the daemon.
    package var processIdentifier: Int
    /// Version of the daemon.
    package var version: String

    /// A status; the mean rates follow from the counters and the uptime.
    package init(
        state: State, requestsInFlight: Int, requestsQueued: Int, imagesInFlight: Int, imagesQueued: Int,
        imagesCompleted: UInt64, valuesDrawn: UInt64, threads: Int, uptimeSeconds: Double, processIdentifier: Int,
        version: String = Version.current, imagesPerSecond: Double = 0, valuesPerSecond: Double = 0,
        imagesPerStep: Double = 0, busyThreads: Double = 0, residentBytes: Int = 0,
        prefixCache: PrefixCacheDescription = PrefixCacheDescription()
    ) {
        self.state = state
        self.requestsInFlight = requestsInFlight
        self.requestsQueued = requestsQueued
        self.imagesInFlight = imagesInFlight
        self.imagesQueued = imagesQueued
        self.imagesCompleted = imagesCompleted
        self.valuesDrawn = valuesDrawn
        self.meanImagesPerSecond = uptimeSeconds > 0 ? Double(imagesCompleted) / uptimeSeconds : 0
        self.meanValuesPerSecond = uptimeSeconds > 0 ? Double(valuesDrawn) / uptimeSeconds : 0
        self.imagesPerSecond = imagesPerSecond
        self.valuesPerSecond = valuesPerSecond
        self.imagesPerStep = imagesPerStep
        self.busyThreads = busyThreads
        self.residentBytes = residentBytes
        self.prefixCache = prefixCache
        self.threads = threads
        self.uptimeSeconds = uptimeSeconds
        self.processIdentifier = processIdentifier
        self.version = version
    }

    enum CodingKeys: String, CodingKey {
        case state, threads, version
        case requestsInFlight = "requests_in_flight"
        case requestsQueued = "requests_queued"
        case imagesInFlight = "images_in_flight"
        case imagesQueued = "images_queued"
        case imagesCompleted = "images_completed"
        case valuesDrawn = "values_drawn"
        case meanImagesPerSecond = "mean_images_per_second"
        case meanValuesPerSecond = "mean_values_per_second"
        case imagesPerSecond = "images_per_second"
        case valuesPerSecond = "values_per_second"
        case imagesPerStep = "images_per_step"
        case busyThreads = "busy_threads"
        case residentBytes = "resident_bytes"
        case prefixCache = "prefix_cache"
        case uptimeSeconds = "uptime_seconds"
        case processIdentifier = "pid"
    }
}
