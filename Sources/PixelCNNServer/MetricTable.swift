// All metrics, one line each: what is registered, what a scrape shows and the table of docs/METRICS.md follow from it.
// A new metric is a line here, where its value can be read from somewhere; what the server counts itself has a handle
// in ServerMetrics besides. `make tables` puts it into the document.

import PixelCNNAPI
import PixelCNNScheduler
import Prometheus

/// What a scrape reads, once for all metrics.
struct MetricReading {
    let status: SchedulerStatus
    let pixels: UInt64
    let memory: MemoryBudget
    let model: ModelDescription
    let process: ProcessMetrics.Values
    let droppedLogLines: Int
}

struct Metric: Sendable {
    /// Where values come from.
    enum Source: Sendable {
        /// Counted by ``ServerMetrics``, with these labels.
        case counted(labels: [String] = [])
        /// Read at each scrape; nil where it cannot be.
        case read(@Sendable (MetricReading) -> Double?)
        /// Always 1; what there is to say is in the labels.
        case labels(KeyValuePairs<String, @Sendable (ModelDescription) -> String>)
    }

    let name: String
    let kind: MetricSnapshot.Kind
    /// For a person, in Markdown.
    let help: String
    let source: Source

    private init(_ name: String, _ kind: MetricSnapshot.Kind, _ help: String, _ source: Source) {
        self.name = name
        self.kind = kind
        self.help = help
        self.source = source
    }

    var labels: [String] {
        switch source {
        case .counted(let labels): labels
        case .read: []
        case .labels(let labels): labels.map(\.key)
        }
    }

    // MARK: - What the server counts

    static let requests = Metric(
        "pixelcnnd_http_requests_total", .counter,
        """
        HTTP requests. `route` is a path of the API, `/` (the page), `/page/` (its files) or `other`; `status` is \
        that of the response, or 499 where it was not written to its end, usually because the client left. Requests \
        whose head is not HTTP get 400 or 431 and are not counted.
        """, .counted(labels: ["route", "status"]))
    static let duration = Metric(
        "pixelcnnd_http_request_duration_seconds", .histogram,
        "Time from a request's head to the end of its response, streams included.", .counted(labels: ["route"]))
    static let inFlight = Metric(
        "pixelcnnd_http_requests_in_flight", .gauge,
        "HTTP requests whose response is not complete yet; the scrape itself is one.",
        .counted())
    static let queueTime = Metric(
        "pixelcnnd_queue_duration_seconds", .histogram, "Time from a job's admission to the start of its first image.",
        .counted())
    static let reloads = Metric(
        "pixelcnnd_reloads_total", .counter,
        "Reloads. `outcome` is `done` or `failed`; a failed reload changes nothing. No reload resets a counter.",
        .counted(labels: ["outcome"]))

    // MARK: - The table

    /// In the document's order.
    static let all: [Metric] = [
        requests, duration, inFlight,
        Metric(
            "pixelcnnd_jobs_in_flight", .gauge, "Jobs (requests for images) with at least one image being computed.",
            .read { Double($0.status.requestsInFlight) }),
        Metric(
            "pixelcnnd_jobs_queued", .gauge, "Jobs with no image being computed yet.",
            .read { Double($0.status.requestsQueued) }),
        Metric(
            "pixelcnnd_images_in_flight", .gauge, "Images being computed.",
            .read { Double($0.status.imagesInFlight) }),
        Metric(
            "pixelcnnd_images_queued", .gauge,
            "Images waiting. If there are any, a request that would raise their number above `--max-queue` gets 429.",
            .read { Double($0.status.imagesQueued) }),
        Metric(
            "pixelcnnd_images_completed_total", .counter,
            "Images sampled or scored to their end, including the warm-up's (one of 2 × 2 pixels per thread).",
            .read { Double($0.status.imagesCompleted) }),
        Metric(
            "pixelcnnd_pixels_completed_total", .counter,
            "Pixels of the completed images. A pixel has as many values as the model has channels.",
            .read { Double($0.pixels) }),
        queueTime, reloads,
        Metric(
            "pixelcnnd_log_lines_dropped_total", .counter,
            """
            Lines of the log that were lost, because what reads it (the journal, or whoever has standard error) did \
            not.
            """, .read { Double($0.droppedLogLines) }),
        Metric(
            "pixelcnnd_steps_total", .counter,
            "Steps. A step advances all images of a compute thread by one pixel, or by rows if given or scored.",
            .read { Double($0.status.steps) }),
        Metric(
            "pixelcnnd_image_steps_total", .counter, "Images that a step advances, summed over all steps.",
            .read { Double($0.status.imageSteps) }),
        Metric(
            "pixelcnnd_compute_busy_seconds_total", .counter,
            "Time that all compute threads together have computed.", .read { $0.status.busySeconds }),
        Metric("pixelcnnd_compute_threads", .gauge, "Compute threads.", .read { Double($0.status.threads) }),
        Metric(
            "pixelcnnd_request_memory_bytes", .gauge,
            "Memory that requests have claimed for bodies, values and responses.",
            .read { Double($0.memory.bytesInUse) }),
        Metric(
            "pixelcnnd_request_memory_limit_bytes", .gauge,
            "Memory that requests may claim (`--max-request-memory`). Requests past it get 429.",
            .read { Double($0.memory.limit) }),
        Metric(
            "pixelcnnd_prefix_cache_hits_total", .counter, "Images that started below rows already known.",
            .read { Double($0.status.prefixCache.hits) }),
        Metric(
            "pixelcnnd_prefix_cache_misses_total", .counter, "Images with given rows, none of which were known.",
            .read { Double($0.status.prefixCache.misses) }),
        Metric(
            "pixelcnnd_prefix_cache_rows_saved_total", .counter, "Rows that were not computed, over all images.",
            .read { Double($0.status.prefixCache.rowsSaved) }),
        Metric(
            "pixelcnnd_prefix_cache_bytes", .gauge,
            "Memory of the cache of first rows; during a reload, of both models.",
            .read { Double($0.status.prefixCache.bytes) }),
        Metric(
            "pixelcnnd_prefix_cache_limit_bytes", .gauge, "The limit of that memory, per model (`--cache-size`).",
            .read { Double($0.status.prefixCache.byteLimit) }),
        Metric(
            "pixelcnnd_prefix_cache_evictions_total", .counter,
            "Entries of the cache of first rows that were dropped to make room.",
            .read { Double($0.status.prefixCache.evictions) }),
        Metric(
            "pixelcnn_model_info", .gauge, "Always 1. The labels describe the served model and the daemon's version.",
            .labels([
                "network": { $0.network ?? "" }, "sha256": { $0.sha256 }, "format": { $0.format },
                "parameters": { "\($0.parameters)" },
                "channels": { "\($0.channels)" }, "height": { "\($0.height)" }, "width": { "\($0.width)" },
                "n_colors": { "\($0.colors)" }, "n_blocks": { "\($0.blocks)" },
                "n_filters": { "\($0.filters)" }, "precision": { $0.precision },
                "instruction_set": { $0.instructionSet }, "version": { $0.version },
            ])),
        Metric(
            "process_resident_memory_bytes", .gauge, "Resident memory.", .read { $0.process.residentBytes }),
        Metric("process_virtual_memory_bytes", .gauge, "Virtual memory.", .read { $0.process.virtualBytes }),
        Metric(
            "process_cpu_seconds_total", .counter, "CPU time of all threads, user and system.",
            .read { $0.process.cpuSeconds }),
        Metric(
            "process_open_fds", .gauge, "Open file descriptors. Each connection is one.",
            .read { $0.process.openDescriptors }),
        Metric(
            "process_max_fds", .gauge, "The most file descriptors that may be open.",
            .read { $0.process.maximumDescriptors }),
        Metric("process_threads", .gauge, "Threads.", .read { $0.process.threads }),
        Metric(
            "process_start_time_seconds", .gauge, "Start of the process, in seconds since 1970.",
            .read { $0.process.startTime }),
    ]

    // MARK: - What follows from it

    /// How the registry shows it.
    var description: MetricDescription { MetricDescription(name, help: plainHelp) }

    /// What a scrape shows of it; nil where the registry knows it already, or there is nothing to show.
    func snapshot(_ reading: MetricReading) -> MetricSnapshot? {
        switch source {
        case .counted: nil
        case .read(let value):
            value(reading).map { MetricSnapshot(name, kind, help: plainHelp, value: $0) }
        case .labels(let labels):
            MetricSnapshot(
                name, kind, help: plainHelp, value: 1, labels: labels.map { ($0.key, $0.value(reading.model)) })
        }
    }

    private var plainHelp: String { help.filter { $0 != "`" } }
}
