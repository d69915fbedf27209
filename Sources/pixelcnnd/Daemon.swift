// From settings to a served socket, and back to a clean exit.

import Logging
import PixelCNNAPI
import PixelCNNEngine
import PixelCNNModel
import PixelCNNScheduler
import PixelCNNServer
import ServiceLifecycle
import UnixSignals

enum Daemon {
    /// Requests that are being computed when a shutdown begins get this long to finish.
    static let maximumDrain = Duration.seconds(30)

    /// Loads and verifies the model.
    static func loadModel(_ settings: Settings) throws(Failure) -> Model {
        guard let path = settings.model ?? BundledModel.find() else {
            throw Failure(
                .noInput, "no bundled model (\(BundledModel.fileName)) is installed; name a file with --model")
        }
        do {
            return try Model.load(path: path, height: settings.height, width: settings.width)
        } catch {
            throw Failure(SystemExit(rawValue: error.exitCode.rawValue) ?? .dataError, "\(error)")
        }
    }

    /// Serves until SIGTERM or SIGINT.
    static func run(_ settings: Settings, environment: [String: String]) async throws {
        var logger = Logger(label: "pixelcnnd")
        logger.logLevel = settings.logLevel
        let source = try SocketSource.find(settings, environment: environment, logger: logger)
        DescriptorLimit.raise()
        let reporter = ServiceReporter(headline: "Loading the model", logger: logger)
        reporter.start(environment: environment)
        defer { reporter.stop() }

        let model = try Self.loadModel(settings)
        for warning in model.source.warnings { logger.warning("\(warning)") }
        logger.info("Loaded \(model.summary)")
        try settings.check(model)
        let engine = Engine(
            model: model, kernels: try Self.kernels(environment), precision: settings.precision)
        let metrics = ServerMetrics()
        let scheduler = Scheduler(
            engine: engine, threads: settings.threads, maximumQueuedImages: settings.maximumQueue,
            maximumCacheBytes: settings.maximumRowCaches, observer: metrics,
            faults: DebugFaults(environment: environment))
        reporter.attach(scheduler)
        try await scheduler.warmUp()

        let state = ServerState(
            model: model.description(of: engine, threads: settings.threads), backend: scheduler,
            limits: settings.limits, maximumRequestBytes: settings.maximumRequestMemory, metrics: metrics)
        let socket = try source.listen()
        let arithmetic = "\(engine.instructionSet), \(engine.precision.rawValue)"
        let ready = "Serving on \(socket.address) with \(settings.threads) threads (\(arithmetic))"
        let server = UnixSocketServer(
            socket: socket, state: state, clientTimeout: .seconds(settings.clientTimeout), logger: logger,
            onReady: { [logger] in
                logger.info("\(ready)")
                reporter.announce("READY=1", headline: ready)
            },
            onDraining: { [logger] in
                logger.info("Draining")
                reporter.announce("STOPPING=1", headline: "Draining")
            })
        try await Self.group(server, logger).run()
        await scheduler.stop()
        logger.info("Stopped")
    }

    /// `PIXELCNN_ISA` picks an instruction set; all give the same bits, so this is for measuring and testing.
    private static func kernels(_ environment: [String: String]) throws(Failure) -> Kernels {
        do {
            return try Kernels.named(environment["PIXELCNN_ISA"])
        } catch {
            throw Failure(.usage, "PIXELCNN_ISA: \(error)")
        }
    }

    private static func group(_ server: UnixSocketServer, _ logger: Logger) -> ServiceGroup {
        // The group's own lines repeat ours.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        var configuration = ServiceGroupConfiguration(
            services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        configuration.maximumGracefulShutdownDuration = Self.maximumDrain
        return ServiceGroup(configuration: configuration)
    }
}
