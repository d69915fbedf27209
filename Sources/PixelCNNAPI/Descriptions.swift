// What `GET /v1/model` and `GET /v1/status` respond with. A description of the model is also all that the routes know
// of it: they never see a tensor. Names in JSON are the coding keys; a change of them breaks scripts.

// MARK: - Model

/// The served model, its file and the machine's way of running it.
package struct ModelDescription: Sendable, Equatable, Codable {
    /// Whose network it is: `pixelcnn` for the original's. Nil only of daemons that served no other.
    package var network: String?
    /// Channels of an image (C).
    package var channels: Int
    /// Rows of an image (H), unless a request says otherwise.
    package var height: Int
    /// Columns of an image (W), unless a request says otherwise.
    package var width: Int
    /// Values that a channel can take (d).
    package var colors: Int
    /// Gated blocks (L).
    package var blocks: Int
    /// Feature channels (F).
    package var filters: Int
    /// Kernel size of the gated blocks (k).
    package var kernelSize: Int
    /// Width between the two output layers.
    package var hidden: Int
    /// Number of parameters.
    package var parameters: Int
    /// Number of classes; 0 for an unconditional model.
    package var labels: Int
    /// Names of the classes, by number; empty where they have none.
    package var labelNames: [String]
    /// Whether the size is a guess, since neither the file nor the daemon's settings say it; nil where it is none.
    package var sizeAssumed: Bool?
    /// Path of the file.
    package var file: String
    /// Which of the file's networks it is: its path in the file; nil where the file has one.
    package var weights: String?
    /// Size of the file, in bytes.
    package var bytes: Int
    /// Format of the file, such as `safetensors`.
    package var format: String
    /// SHA-256 of the file, in lower-case hexadecimal.
    package var sha256: String
    /// What the loader found odd, yet harmless.
    package var warnings: [String]
    /// The arithmetic: `f32`, or `i16`, whose values are its own.
    package var precision: String
    /// The instruction set that the kernels use.
    package var instructionSet: String
    /// Number of compute threads.
    package var threads: Int
    /// Version of the daemon.
    package var version: String
    /// The most that one request may ask for.
    package var limits: RequestLimits

    package init(
        network: String? = "pixelcnn", channels: Int, height: Int, width: Int, colors: Int, blocks: Int, filters: Int,
        kernelSize: Int, hidden: Int,
        parameters: Int, labels: Int = 0, labelNames: [String] = [], file: String, bytes: Int, format: String,
        sha256: String, warnings: [String] = [], precision: String = "f32", instructionSet: String, threads: Int,
        version: String = Version.current, limits: RequestLimits = RequestLimits(), weights: String? = nil,
        sizeAssumed: Bool? = nil
    ) {
        self.network = network
        self.channels = channels
        self.height = height
        self.width = width
        self.colors = colors
        self.blocks = blocks
        self.filters = filters
        self.kernelSize = kernelSize
        self.hidden = hidden
        self.parameters = parameters
        self.labels = labels
        self.labelNames = labelNames
        self.file = file
        self.bytes = bytes
        self.format = format
        self.sha256 = sha256
        self.warnings = warnings
        self.precision = precision
        self.instructionSet = instructionSet
        self.threads = threads
        self.version = version
        self.limits = limits
        self.weights = weights
        self.sizeAssumed = sizeAssumed
    }

    /// Whether a PNG can show the model's images: grey or RGB, at most eight bits per channel.
    package var isShownAsPNG: Bool { (channels == 1 || channels == 3) && colors <= 256 }

    enum CodingKeys: String, CodingKey {
        case network, channels, height, width, filters, hidden, parameters, labels, file, bytes, format, sha256,
            warnings
        case precision, threads, version, limits, weights
        case sizeAssumed = "size_assumed"
        case colors = "n_colors"
        case blocks = "n_blocks"
        case kernelSize = "kernel_size"
        case instructionSet = "instruction_set"
        case labelNames = "label_names"
    }
}

// MARK: - Status

/// The daemon's state at one moment.
package struct StatusDescription: Sendable, Equatable, Codable {
    /// Whether requests are taken.
    package enum State: String, Sendable, Codable {
        /// The model is being loaded, verified or warmed up.
        case loading
        /// Requests are served.
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
    /// Images per second, averaged since the start.
    package var meanImagesPerSecond: Double
    /// Values per second, averaged since the start.
    package var meanValuesPerSecond: Double
    /// Images per second over the last minute.
    package var imagesPerSecond: Double
    /// Values per second over the last minute.
    package var valuesPerSecond: Double
    /// Images that a step took a pixel further together, over the last minute; 0 where there was none.
    package var imagesPerStep: Double
    /// Compute threads that were busy, on average over the last minute.
    package var busyThreads: Double
    /// Memory of the daemon, in bytes; 0 where it is unknown.
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

/// What the daemon remembers of images' first rows, and what that has saved since the start.
package struct PrefixCacheDescription: Sendable, Equatable, Codable {
    /// Images that started below rows already known.
    package var hits: UInt64
    /// Images with given rows none of which were known.
    package var misses: UInt64
    /// Rows that were not computed, over all images.
    package var rowsSaved: UInt64
    /// Checkpoints that had to go for others.
    package var evictions: UInt64
    /// Checkpoints that are there.
    package var entries: Int
    /// Their bytes.
    package var bytes: Int
    /// The most bytes; 0 where nothing is remembered.
    package var maximumBytes: Int

    package init(
        hits: UInt64 = 0, misses: UInt64 = 0, rowsSaved: UInt64 = 0, evictions: UInt64 = 0, entries: Int = 0,
        bytes: Int = 0, maximumBytes: Int = 0
    ) {
        self.hits = hits
        self.misses = misses
        self.rowsSaved = rowsSaved
        self.evictions = evictions
        self.entries = entries
        self.bytes = bytes
        self.maximumBytes = maximumBytes
    }

    enum CodingKeys: String, CodingKey {
        case hits, misses, evictions, entries, bytes
        case rowsSaved = "rows_saved"
        case maximumBytes = "max_bytes"
    }
}
