// What all requests share: which model is served, whether requests are taken, and the counters of everything done since
// the start. A reload is atomic because a request takes its model once, at its beginning, and keeps it: a model that is
// replaced stays until its last request has ended. Its counters stay for ever, so that totals only grow.

import Foundation
import PixelCNNAPI
import PixelCNNScheduler
import Prometheus
import Synchronization

/// The state behind the routes.
package final class ServerState: Sendable {
    /// Bytes that all requests together may hold, unless set otherwise: 1 GiB.
    package static let defaultMaximumRequestBytes = 1 << 30

    /// A model, and how many requests are computed with it.
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

        var all: [ServedModel] { [current.served] + previous.map(\.served) }
    }

    let metrics: ServerMetrics
    /// Of all requests, whichever model they are computed with.
    let memory: MemoryBudget
    private let generations: Mutex<Generations>
    private let recent = RateWindow()
    private let start = ContinuousClock.now
    private let phase = Mutex(StatusDescription.State.loading)

    /// A state that is still loading.
    ///
    /// - Parameters:
    ///   - maximumRequestBytes: what all requests together may hold of bodies, values and responses.
    ///   - metrics: those that get the queue's times from the backend, where they do.
    package init(
        _ served: ServedModel, maximumRequestBytes: Int = ServerState.defaultMaximumRequestBytes,
        metrics: ServerMetrics = .init()
    ) {
        generations = Mutex(Generations(current: Generation(served)))
        self.metrics = metrics
        memory = MemoryBudget(limit: maximumRequestBytes)
        metrics.show(self)
    }

    /// Whether requests are taken.
    package var currentPhase: StatusDescription.State { phase.withLock { $0 } }

    /// Moves on; a phase is never taken back.
    func enter(_ next: StatusDescription.State) {
        phase.withLock { phase in
            if phase != .draining { phase = next }
        }
    }

    var uptime: Duration { ContinuousClock.now - start }

    // MARK: - Models

    /// What a request that begins now is computed with.
    package var served: ServedModel { generations.withLock { $0.current.served } }

    /// A request begins; every one is ended by ``endRequest(_:)`` with what this returns.
    func beginRequest() -> ServedModel {
        generations.withLock { generations in
            generations.current.requests += 1
            return generations.current.served
        }
    }

    /// A request's response has been written, or given up.
    func endRequest(_ served: ServedModel) {
        let waiter = generations.withLock { generations -> CheckedContinuation<Void, Never>? in
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
        generations.withLock { generations in
            let previous = generations.current
            generations.previous.append(previous)
            generations.current = Generation(next)
            return previous.served
        }
    }

    /// Waits until no request is computed with a model that was replaced. For one caller.
    package func waitUntilUnused(_ served: ServedModel) async {
        await withCheckedContinuation { waiter in
            let isUnused = generations.withLock { generations in
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
        generations.withLock { generations in
            guard let i = generations.previous.firstIndex(where: { $0.served === served }) else { return }
            generations.forgotten += totals
            generations.forgottenPixels += served.pixels(totals)
            generations.previous.remove(at: i)
        }
    }

    // MARK: - Counters

    /// Of all models together; the threads are those of the model that is served. Backends are read outside the lock:
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

    /// For how long there has been no request; nil while there is one.
    package var idleTime: Duration? {
        generations.withLock { generations in
            let isBusy = generations.current.requests > 0 || generations.previous.contains { $0.requests > 0 }
            return isBusy ? nil : ContinuousClock.now - generations.lastEnd
        }
    }

    // MARK: - Status

    /// How the daemon is doing; rates are the last minute's.
    var description: StatusDescription {
        let status = status
        let recent = recent.rates(until: totals(status))
        let cache = status.prefixCache
        return StatusDescription(
            state: currentPhase, requestsInFlight: status.requestsInFlight,
            requestsQueued: status.requestsQueued, imagesInFlight: status.imagesInFlight,
            imagesQueued: status.imagesQueued, imagesCompleted: status.imagesCompleted,
            valuesDrawn: status.valuesDrawn, threads: status.threads,
            uptimeSeconds: (uptime / .milliseconds(1)).rounded() / 1000,
            processIdentifier: Int(getpid()), imagesPerSecond: recent.images, valuesPerSecond: recent.values,
            imagesPerStep: recent.imagesPerStep, busyThreads: recent.busyThreads,
            residentBytes: ProcessMetrics.memory()?.resident ?? 0,
            prefixCache: PrefixCacheDescription(
                hits: cache.hits, misses: cache.misses, rowsSaved: cache.rowsSaved, evictions: cache.evictions,
                entries: cache.entries, bytes: cache.bytes, maximumBytes: cache.byteLimit))
    }

    /// Notes totals for the rates until the task is cancelled.
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

/// A model as it is served. Compared by identity: a file loaded twice is two of them.
package final class ServedModel: Sendable {
    /// The model, with the limits.
    package let model: ModelDescription
    /// The most that one request may be for.
    package let limits: RequestLimits

    let backend: any ComputeBackend

    /// A model whose images `backend` computes.
    package init(model: ModelDescription, backend: any ComputeBackend, limits: RequestLimits = .init()) {
        var model = model
        model.limits = limits
        self.model = model
        self.limits = limits
        self.backend = backend
    }

    /// Pixels of the images that `status` counts.
    func pixels(_ status: SchedulerStatus) -> UInt64 { status.valuesDrawn / UInt64(model.channels) }
}
