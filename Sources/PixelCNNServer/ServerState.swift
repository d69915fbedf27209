// What all requests share: which model is served, whether requests are taken, and the counters of everything done since
// the start. A model that is replaced stays until its last request has been answered; its counters stay for ever, so
// that totals only grow.

import PixelCNNAPI
import PixelCNNScheduler
import Synchronization

/// The state behind the routes.
package final class ServerState: Sendable {
    /// Bytes that all requests together may hold, unless told otherwise: 1 GiB.
    package static let defaultMaximumRequestBytes = 1 << 30

    /// A model, and how many requests are answered from it.
    private struct Generation {
        let served: ServedModel
        var requests = 0
        /// Who waits for the last of them.
        var waiter: CheckedContinuation<Void, Never>?

        init(_ served: ServedModel) { self.served = served }
    }

    private struct Generations {
        var current: Generation
        /// Replaced, oldest first; each still has requests, or has not been forgotten yet.
        var previous: [Generation] = []
        /// Of those that were forgotten.
        var forgotten = SchedulerStatus()
        var forgottenPixels: UInt64 = 0
        var requestsEnded: UInt64 = 0
        /// When the last request ended; the start at first.
        var lastEnd = ContinuousClock.now

        var all: [ServedModel] { [self.current.served] + self.previous.map(\.served) }
    }

    let metrics: ServerMetrics
    /// Of all requests, whichever model they are answered from.
    let memory: MemoryBudget
    private let generations: Mutex<Generations>
    private let recent = RateWindow()
    private let start = ContinuousClock.now
    private let phase = Mutex(StatusDescription.State.loading)

    /// A state that is still loading.
    ///
    /// - Parameters:
    ///   - maximumRequestBytes: what all requests together may hold of bodies, values and answers.
    ///   - metrics: those that the backend tells its queue's times, where it does.
    package init(
        _ served: ServedModel, maximumRequestBytes: Int = ServerState.defaultMaximumRequestBytes,
        metrics: ServerMetrics = .init()
    ) {
        self.generations = Mutex(Generations(current: Generation(served)))
        self.metrics = metrics
        self.memory = MemoryBudget(limit: maximumRequestBytes)
        metrics.show(self)
    }

    /// Whether requests are taken.
    package var currentPhase: StatusDescription.State { phase.withLock { $0 } }

    /// Moves on; a phase is never taken back.
    func enter(_ next: StatusDescription.State) {
        self.phase.withLock { phase in
            if phase != .draining { phase = next }
        }
    }

    var uptime: Duration { ContinuousClock.now - start }

    // MARK: - Models

    /// What a request that begins now is answered from.
    package var served: ServedModel { generations.withLock { $0.current.served } }

    /// A request begins; every one is ended by ``endRequest(_:)`` with what this returns.
    func beginRequest() -> ServedModel {
        self.generations.withLock { generations in
            generations.current.requests += 1
            return generations.current.served
        }
    }

    /// A request's answer has been written, or given up.
    func endRequest(_ served: ServedModel) {
        let waiter = self.generations.withLock { generations -> CheckedContinuation<Void, Never>? in
            generations.requestsEnded += 1
            generations.lastEnd = .now
            guard generations.current.served !== served else {
                generations.current.requests -= 1
                return nil
            }
            guard let i = generations.previous.firstIndex(where: { $0.served === served }) else { return nil }
            generations.previous[i].requests -= 1
            return generations.previous[i].requests == 0 ? generations.previous[i].waiter : nil
        }
        waiter?.resume()
    }

    /// Serves `next` to every request that begins from now on; returns what was served so far.
    package func replace(with next: ServedModel) -> ServedModel {
        self.generations.withLock { generations in
            let previous = generations.current
            generations.previous.append(previous)
            generations.current = Generation(next)
            return previous.served
        }
    }

    /// Waits until no request is answered from a model that was replaced. For one caller.
    package func waitUntilUnused(_ served: ServedModel) async {
        await withCheckedContinuation { waiter in
            let isUnused = self.generations.withLock { generations in
                guard let i = generations.previous.firstIndex(where: { $0.served === served }),
                    generations.previous[i].requests > 0
                else { return true }
                generations.previous[i].waiter = waiter
                return false
            }
            if isUnused { waiter.resume() }
        }
    }

    /// Lets go of a model that was replaced, is unused, and computes no more; what it has counted stays counted.
    package func forget(_ served: ServedModel) {
        let totals = served.backend.status.totals
        self.generations.withLock { generations in
            guard let i = generations.previous.firstIndex(where: { $0.served === served }) else { return }
            generations.forgotten += totals
            generations.forgottenPixels += served.pixels(totals)
            generations.previous.remove(at: i)
        }
    }

    // MARK: - Counters

    /// Of all models together; the threads are those of the model that is served. Backends are asked outside the lock:
    /// one that takes its time holds up no request.
    package var status: SchedulerStatus {
        let (served, forgotten) = generations.withLock { ($0.all, $0.forgotten) }
        var sum = served[0].backend.status
        for previous in served.dropFirst() { sum += previous.backend.status }
        sum += forgotten
        return sum
    }

    /// Pixels of the images finished since the start.
    var pixelsCompleted: UInt64 {
        let (served, forgotten) = generations.withLock { ($0.all, $0.forgottenPixels) }
        return served.reduce(forgotten) { $0 + $1.pixels($1.backend.status) }
    }

    /// Grows while anything comes to an end: a step of images, a request.
    package var progress: UInt64 { status.imageSteps &+ generations.withLock { $0.requestsEnded } }

    /// For how long no request has been answered; nil while one is.
    package var idleTime: Duration? {
        self.generations.withLock { generations in
            let isBusy = generations.current.requests > 0 || generations.previous.contains { $0.requests > 0 }
            return isBusy ? nil : ContinuousClock.now - generations.lastEnd
        }
    }

    // MARK: - Rates

    /// The last minute's rates.
    func recentRates(_ status: SchedulerStatus) -> RateWindow.Rates {
        recent.rates(until: totals(status))
    }

    /// Keeps ``recentRates(_:)`` recent until the task is cancelled.
    func noteRates() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            recent.note(totals(status))
        }
    }

    private func totals(_ status: SchedulerStatus) -> RateWindow.Totals {
        .init(
            uptime: uptime, images: status.imagesCompleted, values: status.valuesDrawn, steps: status.steps,
            imageSteps: status.imageSteps, busySeconds: status.busySeconds)
    }
}
