// What all routes share: the model's description, the compute backend, the limits, and whether requests are taken.

public import PixelCNNAPI
import PixelCNNScheduler
import Synchronization

/// The state behind the routes.
public final class ServerState: Sendable {
    /// The served model.
    public let model: ModelDescription
    /// The most that one request may ask for.
    public let limits: RequestLimits
    /// Bytes that all requests together may hold, unless told otherwise: 1 GiB.
    public static let defaultMaximumRequestBytes = 1 << 30

    let backend: any ComputeBackend
    let metrics: ServerMetrics
    let memory: MemoryBudget
    private let recent = RateWindow()
    private let start = ContinuousClock.now
    private let phase = Mutex(StatusDescription.State.loading)

    /// A state that is still loading.
    ///
    /// - Parameters:
    ///   - maximumRequestBytes: what all requests together may hold of bodies, values and answers.
    ///   - metrics: those that the backend tells its queue's times, where it does.
    public init(
        model: ModelDescription, backend: any ComputeBackend, limits: RequestLimits = .init(),
        maximumRequestBytes: Int = ServerState.defaultMaximumRequestBytes, metrics: ServerMetrics = .init()
    ) {
        self.model = model
        self.backend = backend
        self.limits = limits
        self.metrics = metrics
        self.memory = MemoryBudget(limit: maximumRequestBytes)
        metrics.show(model, backend, self.memory)
    }

    /// Whether requests are taken.
    public var currentPhase: StatusDescription.State { self.phase.withLock { $0 } }

    /// Moves on; a phase is never taken back.
    func enter(_ next: StatusDescription.State) {
        self.phase.withLock { phase in
            if phase != .draining { phase = next }
        }
    }

    var uptime: Duration { ContinuousClock.now - self.start }

    // MARK: - Rates

    /// The last minute's rates.
    func recentRates(_ status: SchedulerStatus) -> RateWindow.Rates {
        self.recent.rates(until: self.totals(status))
    }

    /// Keeps ``recentRates(_:)`` recent until the task is cancelled.
    func noteRates() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            self.recent.note(self.totals(self.backend.status))
        }
    }

    private func totals(_ status: SchedulerStatus) -> RateWindow.Totals {
        .init(
            uptime: self.uptime, images: status.imagesCompleted, values: status.valuesDrawn, steps: status.steps,
            imageSteps: status.imageSteps, busySeconds: status.busySeconds)
    }
}
