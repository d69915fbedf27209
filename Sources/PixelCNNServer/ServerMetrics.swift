// What the server counts itself, through swift-metrics' handles; MetricTable has the list of all metrics. Labels come
// from closed sets (routes of the table, HTTP statuses), so no client can make series.

import Metrics
import PixelCNNAPI
import PixelCNNScheduler
import Prometheus
import Synchronization

/// The server's metrics, for one ``ServerState``.
package final class ServerMetrics: Sendable {
    /// The status of a request whose client left before its response was written, as nginx counts it.
    static let clientLeft = 499

    let registry = PrometheusRegistry(Metric.all.map(\.description))
    private let process = ProcessMetrics()
    private let droppedLogLines: @Sendable () -> Int
    private let inFlight: Meter
    private let queueTime: Timer
    private let reloadsDone: Counter
    private let reloadsFailed: Counter

    private struct RouteSeries {
        let duration: Timer
        var requests: [Int: Counter] = [:]  // by status
    }
    private let routes = Mutex<[String: RouteSeries]>([:])

    /// - Parameter droppedLogLines: how many lines the log has lost.
    package init(droppedLogLines: @Sendable @escaping () -> Int = { 0 }) {
        self.droppedLogLines = droppedLogLines
        inFlight = Meter(label: Metric.inFlight.name, factory: registry)
        queueTime = Timer(label: Metric.queueTime.name, dimensions: [], factory: registry)
        let registry = registry
        func reloads(_ outcome: String) -> Counter {
            Counter(label: Metric.reloads.name, dimensions: [("outcome", outcome)], factory: registry)
        }
        reloadsDone = reloads("done")
        reloadsFailed = reloads("failed")
    }

    /// Shows the model that is served and all counters from now on: until then a scrape has only what is counted here.
    func show(_ state: ServerState) {
        registry.addCollector { [weak state, process, droppedLogLines] in
            guard let state else { return [] }
            let reading = MetricReading(
                status: state.status, pixels: state.pixelsCompleted, memory: state.memory, model: state.served.model,
                process: process.read(), droppedLogLines: droppedLogLines())
            return Metric.all.compactMap { $0.snapshot(reading) }
        }
    }

    /// A reload has ended.
    package func reloadEnded(isDone: Bool) { (isDone ? reloadsDone : reloadsFailed).increment() }

    /// A request's head has been read, now.
    func requestBegan() -> ContinuousClock.Instant {
        inFlight.increment()
        return .now
    }

    /// A request's response has been written, or given up.
    func requestEnded(path: String, status: Int, since start: ContinuousClock.Instant) {
        inFlight.decrement()
        let (counter, timer) = series(route: Self.route(of: path), status: status)
        counter.increment()
        timer.record(duration: ContinuousClock.now - start)
    }

    /// A job has waited this long for its first image to be taken up.
    package func jobStarted(queueSeconds: Double) { queueTime.recordSeconds(queueSeconds) }

    /// Made once each: to look them up by their labels takes a twentieth of a rejection's time.
    private func series(route: String, status: Int) -> (Counter, Timer) {
        routes.withLock { routes in
            let timer =
                routes[route]?.duration
                ?? Timer(label: Metric.duration.name, dimensions: [("route", route)], factory: registry)
            let counter =
                routes[route]?.requests[status]
                ?? Counter(
                    label: Metric.requests.name, dimensions: [("route", route), ("status", "\(status)")],
                    factory: registry)
            routes[route, default: RouteSeries(duration: timer)].requests[status] = counter
            return (counter, timer)
        }
    }

    // MARK: - Labels

    private static let otherRoute = "other"

    /// The path of the table, without its final slash; the page's files are one, and all others.
    private static func route(of path: String) -> String {
        Routes.route(of: path)?.label ?? Self.otherRoute
    }
}
