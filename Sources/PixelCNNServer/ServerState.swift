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

    let backend: any ComputeBackend
    let metrics: ServerMetrics
    private let recent = RateWindow()
    private let start = ContinuousClock.now
    private let phase = Mutex(StatusDescription.State.loading)

    /// A state that is still loading.
    public init(model: ModelDescription, backend: any ComputeBackend, limits: RequestLimits = .init()) {
        self.model = model
        self.backend = backend
        self.limits = limits
        self.metrics = ServerMetrics(model: model, backend: backend)
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

    /// Images and values a second, over the last minute.
    func recentRates(_ status: SchedulerStatus) -> (images: Double, values: Double) {
        self.recent.rates(until: self.totals(status))
    }

    /// Keeps ``recentRates(_:)`` recent until the task is cancelled.
    func noteRates() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            self.recent.note(self.totals(self.backend.status))
        }
    }

    private func totals(_ status: SchedulerStatus) -> RateWindow.Totals {
        .init(uptime: self.uptime, images: status.imagesCompleted, values: status.valuesDrawn)
    }
}
