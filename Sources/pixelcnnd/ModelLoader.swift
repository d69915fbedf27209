// From settings to a model that answers at full speed: load, verify, pack, start compute threads, warm up. At the
// start, and again beside the served model at each reload.

import Foundation
import Logging
import PixelCNNAPI
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel
import PixelCNNScheduler
import PixelCNNServer
import Support

/// A model that is ready to be served.
struct LoadedModel: Sendable {
    let served: ServedModel
    let scheduler: Scheduler
    /// Threads, arithmetic, the file's name and the digest's beginning, for status lines.
    let words: String
}

struct ModelLoader: Sendable {
    let environment: [String: String]
    let metrics: ServerMetrics
    let reporter: ServiceReporter
    let logger: Logger

    /// Loads what the settings say. Takes a core for as long, and the model's memory twice at its peak.
    ///
    /// - Throws: ``Failure``; nothing is left behind then.
    func load(_ settings: Settings) async throws -> LoadedModel {
        let engine = try await Self.onItsOwnThread { try self.engine(settings) }
        let scheduler = Scheduler(
            engine: engine.engine, threads: settings.threads, maximumQueuedImages: settings.maximumQueue,
            maximumCacheBytes: settings.maximumRowCaches, prefixCacheBytes: settings.cacheSize,
            faults: DebugFaults(environment: environment), jobStarted: metrics.jobStarted)
        self.reporter.watch(scheduler)
        do {
            try await scheduler.warmUp()
        } catch {
            await end(scheduler)
            throw error
        }
        let served = ServedModel(model: engine.description, backend: scheduler, limits: settings.limits)
        return LoadedModel(served: served, scheduler: scheduler, words: engine.words)
    }

    /// Ends a model's compute threads; jobs that have not ended fail.
    func end(_ scheduler: Scheduler) async {
        await scheduler.stop()
        reporter.unwatch(scheduler)
    }

    private typealias Loaded = (engine: Engine, description: ModelDescription, words: String)

    private func engine(_ settings: Settings) throws -> Loaded {
        let kernels = try Self.kernels(environment)
        let model = try Daemon.loadModel(settings)
        for warning in model.source.warnings { logger.warning("\(warning.advised)") }
        logger.info("Loaded \(model.summary)")
        try settings.check(model)
        let engine = Engine(model: model, kernels: kernels, precision: settings.precision)
        let file = URL(fileURLWithPath: model.source.path).lastPathComponent
        let threads = settings.threads == 1 ? "1 thread" : "\(settings.threads) threads"
        return (
            engine, model.description(of: engine, threads: settings.threads),
            "\(threads) (\(engine.instructionSet), \(engine.precision.rawValue)), "
                + "model \(file) \(model.source.sha256.prefix(12))"
        )
    }

    /// `PIXELCNN_ISA` picks an instruction set; all give the same bits, so this is for measuring and testing.
    static func kernels(_ environment: [String: String]) throws(Failure) -> Kernels {
        do {
            return try Kernels.named(environment["PIXELCNN_ISA"])
        } catch {
            throw Failure(.usage, "PIXELCNN_ISA: \(error)")
        }
    }

    /// Runs what keeps a core busy apart from the pools that answer requests, and below their priority.
    private static func onItsOwnThread<Value: Sendable>(
        _ body: @Sendable @escaping () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { waiter in
            let thread = Thread {
                ThreadPriority.lower()
                waiter.resume(with: Result(catching: body))
            }
            thread.name = "loader"
            thread.start()
        }
    }
}
