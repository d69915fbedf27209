// What the server counts, and what it shows of others' counts: docs/METRICS.md has the list. Labels come from closed
// sets (routes of the table, HTTP statuses), so no client can make series.

import Metrics
import PixelCNNAPI
import PixelCNNScheduler
import PrometheusMetrics
import Synchronization

/// The server's metrics; a scheduler that is made with them tells how long jobs have waited.
package final class ServerMetrics: Sendable {
    private enum Name {
        static let requests = "pixelcnnd_http_requests_total"
        static let duration = "pixelcnnd_http_request_duration_seconds"
        static let inFlight = "pixelcnnd_http_requests_in_flight"
        static let queueTime = "pixelcnnd_queue_duration_seconds"
        static let reloads = "pixelcnnd_reloads_total"
    }

    /// A request whose client left before its answer was written, as nginx counts it.
    static let clientLeft = 499

    let registry = PrometheusRegistry([
        MetricDescription(
            Name.requests, help: "HTTP requests by route and status; 499: the client left before its answer."),
        MetricDescription(
            Name.duration, help: "Seconds from a request's head to the end of its answer, by route."),
        MetricDescription(Name.inFlight, help: "HTTP requests that are being answered."),
        MetricDescription(
            Name.queueTime, help: "Seconds from a job's admission to the start of its first image."),
        MetricDescription(Name.reloads, help: "Reloads by how they ended: done, or failed and nothing changed."),
    ])
    private let inFlight: Meter
    private let queueTime: Timer
    private let reloads: (done: Counter, failed: Counter)

    private struct RouteSeries {
        let duration: Timer
        var requests: [Int: Counter] = [:]  // by status
    }
    private let routes = Mutex<[String: RouteSeries]>([:])

    /// Metrics of this process; nothing of a model yet.
    package init() {
        inFlight = Meter(label: Name.inFlight, factory: self.registry)
        queueTime = Timer(label: Name.queueTime, dimensions: [], factory: self.registry)
        let registry = self.registry
        func reloads(_ outcome: String) -> Counter {
            Counter(label: Name.reloads, dimensions: [("outcome", outcome)], factory: registry)
        }
        self.reloads = (reloads("done"), reloads("failed"))
        let process = ProcessMetrics()
        self.registry.addCollector { process.collect() }
    }

    /// Shows the model that is served and all counters from now on.
    func show(_ state: ServerState) {
        registry.addCollector { [weak state] in
            guard let state else { return [] }
            let status = state.status
            return Self.snapshots(of: status, pixels: state.pixelsCompleted) + Self.snapshots(of: status.prefixCache)
                + Self.snapshots(of: state.memory) + [Self.info(of: state.served.model)]
        }
    }

    /// A reload has ended.
    package func reloadEnded(isDone: Bool) { (isDone ? reloads.done : reloads.failed).increment() }

    /// A request's head has been read, now.
    func requestBegan() -> ContinuousClock.Instant {
        inFlight.increment()
        return .now
    }

    /// A request's answer has been written, or given up.
    func requestEnded(path: String, status: Int, since start: ContinuousClock.Instant) {
        inFlight.decrement()
        let (counter, timer) = series(route: Self.route(of: path), status: status)
        counter.increment()
        timer.record(duration: ContinuousClock.now - start)
    }

    /// A job has waited this long for its first image to be taken up.
    package func jobStarted(queueSeconds: Double) { queueTime.recordSeconds(queueSeconds) }

    /// Made once each: to look them up by their labels takes a twentieth of a refusal's time.
    private func series(route: String, status: Int) -> (Counter, Timer) {
        self.routes.withLock { routes in
            let timer =
                routes[route]?.duration
                ?? Timer(label: Name.duration, dimensions: [("route", route)], factory: registry)
            let counter =
                routes[route]?.requests[status]
                ?? Counter(
                    label: Name.requests, dimensions: [("route", route), ("status", "\(status)")],
                    factory: registry)
            routes[route, default: RouteSeries(duration: timer)].requests[status] = counter
            return (counter, timer)
        }
    }

    // MARK: - Labels

    private static let otherRoute = "other"

    /// The path of the table, without its final slash; all others are one.
    private static func route(of path: String) -> String {
        Routes.route(of: path)?.path ?? Self.otherRoute
    }

    // MARK: - Collectors

    private static func info(of model: ModelDescription) -> MetricSnapshot {
        MetricSnapshot(
            "pixelcnn_model_info", .gauge, help: "The served model; always 1.", value: 1,
            labels: [
                ("sha256", model.sha256), ("format", model.format), ("parameters", "\(model.parameters)"),
                ("channels", "\(model.channels)"), ("height", "\(model.height)"), ("width", "\(model.width)"),
                ("n_colors", "\(model.colors)"), ("n_blocks", "\(model.blocks)"), ("n_filters", "\(model.filters)"),
                ("precision", model.precision), ("instruction_set", model.instructionSet), ("version", model.version),
            ])
    }

    private static func snapshots(of memory: MemoryBudget) -> [MetricSnapshot] {
        [
            .init(
                "pixelcnnd_request_memory_bytes", .gauge,
                help: "Memory that requests have claimed: bodies, values, answers.", value: Double(memory.bytesInUse)),
            .init(
                "pixelcnnd_request_memory_limit_bytes", .gauge,
                help: "Memory that requests may claim; past it they are answered 429.", value: Double(memory.limit)),
        ]
    }

    private static func snapshots(of cache: PrefixCacheStatus) -> [MetricSnapshot] {
        [
            .init(
                "pixelcnnd_prefix_cache_hits_total", .counter, help: "Images that started below rows already known.",
                value: Double(cache.hits)),
            .init(
                "pixelcnnd_prefix_cache_misses_total", .counter,
                help: "Images with given rows none of which were known.", value: Double(cache.misses)),
            .init(
                "pixelcnnd_prefix_cache_rows_saved_total", .counter, help: "Rows that were not computed.",
                value: Double(cache.rowsSaved)),
            .init(
                "pixelcnnd_prefix_cache_evictions_total", .counter, help: "States that had to go for others.",
                value: Double(cache.evictions)),
            .init(
                "pixelcnnd_prefix_cache_bytes", .gauge, help: "Bytes of what is remembered of first rows.",
                value: Double(cache.bytes)),
            .init(
                "pixelcnnd_prefix_cache_limit_bytes", .gauge, help: "The most of them.",
                value: Double(cache.byteLimit)),
        ]
    }

    private static func snapshots(of status: SchedulerStatus, pixels: UInt64) -> [MetricSnapshot] {
        [
            .init(
                "pixelcnnd_jobs_in_flight", .gauge, help: "Jobs (requests for images) being computed.",
                value: Double(status.requestsInFlight)),
            .init(
                "pixelcnnd_jobs_queued", .gauge, help: "Jobs none of whose images is being computed yet.",
                value: Double(status.requestsQueued)),
            .init(
                "pixelcnnd_images_in_flight", .gauge, help: "Images being computed.",
                value: Double(status.imagesInFlight)),
            .init(
                "pixelcnnd_images_queued", .gauge, help: "Images waiting.", value: Double(status.imagesQueued)),
            .init(
                "pixelcnnd_images_completed_total", .counter, help: "Images drawn or scored to their end.",
                value: Double(status.imagesCompleted)),
            .init(
                "pixelcnnd_pixels_completed_total", .counter, help: "Pixels of the completed images.",
                value: Double(pixels)),
            .init(
                "pixelcnnd_compute_busy_seconds_total", .counter, help: "Seconds that compute threads have computed.",
                value: status.busySeconds),
            .init(
                "pixelcnnd_steps_total", .counter, help: "Steps: images taken a pixel further together.",
                value: Double(status.steps)),
            .init(
                "pixelcnnd_image_steps_total", .counter, help: "Images taken a pixel further, in all steps.",
                value: Double(status.imageSteps)),
            .init(
                "pixelcnnd_compute_threads", .gauge, help: "Compute threads.", value: Double(status.threads)),
        ]
    }
}
