// From settings to a model that is ready at full speed: load, verify, pack, start compute threads, warm up. At the
// start, and again beside the served model at each reload; `--check` takes the first steps alone.

import Foundation
import Logging
import PixelCNNAPI
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel
import PixelCNNScheduler
import PixelCNNServer
import Prometheus
import Support

/// A model that is ready to be served.
struct LoadedModel: Sendable {
    let served: ServedModel
    let scheduler: Scheduler
    /// Threads, arithmetic, the file's name and the digest's beginning, for status lines.
    let words: String
    /// What the memory that it may have is shared out to.
    let shares: MemoryShares
}

struct ModelLoader: Sendable {
    let environment: [String: String]
    let metrics: ServerMetrics
    let reporter: ServiceReporter
    let logger: Logger
    private let work = BoundedWork("loading the model", thread: "loader", within: ModelLoader.bound)

    /// How long reading, verifying and packing a model may take; systemd waits as long for a start (TimeoutStartSec=).
    static let bound = Duration.seconds(300)

    init(environment: [String: String], metrics: ServerMetrics, reporter: ServiceReporter, logger: Logger) {
        self.environment = environment
        self.metrics = metrics
        self.reporter = reporter
        self.logger = logger
    }

    /// Loads what the settings say. Takes a core for as long, and the model's memory twice at its peak.
    ///
    /// - Throws: ``Failure``; nothing is left behind then.
    func load(_ settings: Settings) async throws -> LoadedModel {
        let engine = try await work.run { try self.engine(settings) }
        let shares = try MemoryShares(
            settings,
            need: MemoryShares.Need(
                weights: engine.engine.weightBytes, file: engine.description.bytes,
                thread: Scheduler.threadBytes(engine.engine)),
            addressSpace: ProcessMetrics.memory()?.virtual ?? 0)
        if let note = shares.note { logger.notice("\(note)") }
        let scheduler = try Scheduler(
            engine: engine.engine, threads: settings.threads, maximumQueuedImages: settings.maxQueue,
            maximumCacheBytes: shares.rowCaches, prefixCacheBytes: shares.prefixCache,
            faults: Faults.compute(environment), jobStarted: metrics.jobStarted)
        reporter.watch(scheduler)
        do {
            try await scheduler.warmUp()
        } catch {
            await end(scheduler)
            throw error
        }
        let served = ServedModel(
            model: engine.description, backend: Faults.backend(scheduler, environment), limits: settings.limits)
        return LoadedModel(served: served, scheduler: scheduler, words: engine.words, shares: shares)
    }

    /// Ends a model's compute threads; jobs that have not ended fail.
    func end(_ scheduler: Scheduler) async {
        await scheduler.stop()
        reporter.unwatch(scheduler)
    }

    private typealias Loaded = (engine: Engine, description: ModelDescription, words: String)

    private func engine(_ settings: Settings) throws -> Loaded {
        let kernels = try Self.kernels(environment)
        let model = try visibleModel(settings)
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

    /// Folders that the units hide (ProtectHome=, PrivateTmp=).
    private static let hiddenFolders = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"]

    /// Loads the model, and says why a service may not see a file that is there.
    private func visibleModel(_ settings: Settings) throws(Failure) -> Model {
        do throws(Failure) {
            return try Self.model(settings)
        } catch {
            guard error.status == .noInput, environment["NOTIFY_SOCKET"] != nil, let path = settings.model,
                Self.hiddenFolders.contains(where: path.hasPrefix)
            else { throw error }
            throw Failure(
                .noInput,
                "\(error.message); a service does not see /home, /root, /run/user, /tmp and /var/tmp: copy the file to "
                    + "/var/lib/pixelcnn, readable by everybody")
        }
    }

    /// Loads and verifies the model.
    static func model(_ settings: Settings) throws(Failure) -> Model {
        let path = try Self.path(settings)
        try MemoryShares.checkRoom(forModelAt: path, addressSpace: ProcessMetrics.memory()?.virtual ?? 0)
        do {
            return try Model.load(
                path: path, height: settings.height, width: settings.width, weights: settings.weights)
        } catch {
            throw Failure(error.exitCode, "\(error)")
        }
    }

    private static func path(_ settings: Settings) throws(Failure) -> String {
        let name = settings.model ?? BundledModel.standard.rawValue
        guard let bundled = BundledModel(rawValue: name) else { return name }
        guard let path = bundled.find() else {
            throw Failure(
                .noInput,
                "no bundled model: \(bundled.fileName) is neither in ../share/pixelcnn beside this program's "
                    + "folder nor in Models of a source tree around it; name a file with --model")
        }
        return path
    }

    /// `PIXELCNN_ISA` picks an instruction set; all give the same bits, so this is for measuring and testing.
    static func kernels(_ environment: [String: String]) throws(Failure) -> Kernels {
        do {
            return try Kernels.named(environment["PIXELCNN_ISA"])
        } catch {
            throw Failure(.usage, "PIXELCNN_ISA: \(error)")
        }
    }
}

// MARK: - The model in words

extension Model {
    /// For the log and `--check`, one line: file, format, shape, size, digest.
    var summary: String {
        let h = hyperparameters
        return
            "\(source.path): \(source.format.rawValue), "
            + (h.network == .original ? "" : "\(h.network.title), ")
            + "\(h.channels) × \(h.height) × \(h.width) images of "
            + "\(h.colors) values, \(h.blocks) blocks of \(h.filters) filters, "
            + "\(description.parameterCount) parameters, "
            + (h.isConditional ? "\(h.labels) classes, " : "")
            + (source.weights.map { "weights \($0.isEmpty ? "." : $0), " } ?? "") + "sha256 \(source.sha256)"
    }

    /// For `GET /v1/model`.
    func description(of engine: Engine, threads: Int) -> ModelDescription {
        let h = hyperparameters
        return ModelDescription(
            network: h.network.rawValue, channels: h.channels, height: h.height, width: h.width, colors: h.colors,
            blocks: h.blocks, filters: h.filters, kernelSize: h.kernelSize, hidden: h.hidden,
            parameters: description.parameterCount,
            labels: h.labels, labelNames: labelNames, file: source.path,
            bytes: source.byteCount, format: source.format.rawValue, sha256: source.sha256,
            warnings: source.warnings.map(\.description), precision: engine.precision.rawValue,
            instructionSet: engine.instructionSet, threads: threads, weights: source.weights,
            sizeAssumed: source.isSizeAssumed ? true : nil)
    }
}

extension ModelWarning {
    /// The warning for whoever starts the daemon, with what its options can do about it.
    var advised: String {
        switch self {
        case .assumedImageSize: "\(self) (choose with --height and --width)"
        case .severalCopies: "\(self) (choose with --weights)"
        default: "\(self)"
        }
    }
}
