// From settings to a served socket, and back to a clean exit; reloads in between are Reloader's.

import CMalloc
import Foundation
import Logging
import NIOCore
import PixelCNNAPI
import PixelCNNServer
import Prometheus
import ServiceLifecycle
import Support

struct Daemon {
    /// How much longer than the drain's bound the end may take, before the process is ended whatever hangs.
    static let drainMargin = Duration.seconds(10)

    let environment: [String: String]
    let signals: SignalThread
    let log: LogThread
    /// Gives the settings as they are now.
    let readSettings: @Sendable () async throws -> Settings

    /// Serves until SIGTERM or SIGINT, or until there has been no request for long enough.
    func run(reloadingAt hangUps: AsyncStream<Void>) async throws {
        let settings = try await readSettings()
        var logger = Logger(label: "pixelcnnd")
        logger.logLevel = settings.logLevel
        for warning in Settings.warnings(environment) { logger.warning("\(warning)") }
        if let lifeline = settings.lifeline { try Lifeline.hold(CInt(lifeline)) }
        let source = try SocketSource.find(settings, environment: environment, logger: logger)
        // The event loops start with their first use.
        NIOSingletons.groupLoopCountSuggestion = MachineLimits.current.processors
        try DescriptorLimit.raise(loops: MachineLimits.current.processors)
        try PlainThread.check(settings.threads + Self.threads(processors: MachineLimits.current.processors))
        let reporter = ServiceReporter(
            headline: "Loading the model", environment: environment, probes: Probe.all(UnixSocketServer.eventLoops),
            logger: logger)
        try reporter.start()
        defer { reporter.stop() }

        let metrics = ServerMetrics(droppedLogLines: { [log] in log.dropped })
        let loader = ModelLoader(environment: environment, metrics: metrics, reporter: reporter, logger: logger)
        let (state, socket, reloader) = try await load(settings, loader, source)
        reporter.attach(state)
        let ready = await reloader.statusLine
        let server = UnixSocketServer(
            socket: socket, state: state, clientTimeout: .seconds(settings.clientTimeout),
            drainTimeout: .seconds(settings.drainTimeout), logger: logger,
            onReady: { [logger] in
                logger.info("\(ready)")
                reporter.announce(["READY=1"], headline: ready)
            },
            onDraining: { [logger] in
                logger.info("Draining")
                reporter.announce(["STOPPING=1"], headline: "Draining")
            },
            onDrainTimeout: { [logger] in
                logger.warning("The drain has taken \(settings.drainTimeout) s; what still runs is ended")
                await reloader.stop()
            })
        let reloads = Task { await reloader.run(hangUps) }
        defer { reloads.cancel() }
        try await group(server, state, settings, logger).run()
        await reloader.stop()
        logger.info("Stopped")
    }

    /// Beside compute threads: event loops, Swift's pool and Dispatch's own, log, signals, lifeline, reporter, loader,
    /// settings.
    static func threads(processors: Int) -> Int { 2 * processors + 9 }

    /// Loads the model, then listens. A function of its own: here nothing must hold the model, which a reload lets go.
    private func load(
        _ settings: Settings, _ loader: ModelLoader, _ source: SocketSource
    ) async throws -> (ServerState, ListeningSocket, Reloader) {
        let loaded = try await loader.load(settings)
        let state = ServerState(
            loaded.served, maximumRequestBytes: loaded.shares.requests, metrics: loader.metrics)
        let socket = try source.listen()
        let reloader = Reloader(
            loaded, state: state, loader: loader, settings: settings, address: socket.address,
            readSettings: readSettings)
        return (state, socket, reloader)
    }

    /// The server, and what ends it. The library's own bound is not used: it needs Swift's pool to keep it.
    private func group(
        _ server: UnixSocketServer, _ state: ServerState, _ settings: Settings, _ logger: Logger
    ) -> ServiceGroup {
        // The group's own lines repeat ours.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: server)]
        if let limit = settings.exitWhenIdle {
            let idle = IdleExit(
                state: state, limit: .seconds(limit),
                onIdle: {
                    logger.info("Nobody has asked for anything for \(limit) s")
                    kill(getpid(), SIGTERM)  // the same way out, with the same bound
                })
            services.append(.init(service: idle, successTerminationBehavior: .gracefullyShutdownGroup))
        }
        let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: quiet))
        let bound = Duration.seconds(settings.drainTimeout) + Self.drainMargin
        signals.end(within: bound) {
            Task { await group.triggerGracefulShutdown() }
        } overdue: { [log] in
            logger.critical("The end has taken \(bound.components.seconds) s, so something hangs; it ends now")
            log.flush(within: .seconds(1))
            _exit(SystemExit.software.rawValue)
        }
        return group
    }
}

/// Every connection is a descriptor. The soft limit is 1024 by custom, for programs that use select(2); this one does
/// not, so it takes what the hard limit allows.
private enum DescriptorLimit {
    /// Of each event loop: epoll, its timer, and what wakes it.
    private static let perLoop = 3
    /// A few connections, and what they leave free.
    private static let least = UnixSocketServer.spareDescriptors + 8

    /// Raises the soft limit to the hard one. Where that fails the old limit still serves: connections past it wait.
    ///
    /// - Throws: ``Failure`` (71) where the limit leaves nothing for connections: an event loop would trap.
    static func raise(loops: Int) throws(Failure) {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return }
        let soft = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        if setrlimit(resource, &limit) != 0 { limit.rlim_cur = soft }
        let needed = (ProcessMetrics.openDescriptors() ?? 8) + perLoop * loops + least
        guard limit.rlim_cur >= needed else {
            throw Failure(
                .osError,
                "open files are limited to \(limit.rlim_cur) (ulimit -n, LimitNOFILE=); with \(loops) event loops the "
                    + "daemon takes at least \(needed)")
        }
    }
}

/// glibc takes large blocks from the kernel one by one and returns each when it is freed. But the first large block
/// that is freed raises the size from which it does so, up to 32 MiB: later bodies of requests then stay in the heap,
/// which shrinks only from its end.
enum Heap {
    /// From this size, in bytes, a block always goes back to the kernel. Smaller ones, among them all that a small
    /// request needs, are reused without a system call.
    private static let threshold: CInt = 1 << 20

    /// Fixes the size, so that a daemon without requests holds as little memory as before its first; before there is a
    /// second thread. Where the address space is limited, threads share one heap: of their own they would reserve
    /// 64 MiB each.
    static func prepare() {
        mallopt(M_MMAP_THRESHOLD, threshold)
        mallopt(M_TRIM_THRESHOLD, threshold)
        if MachineLimits.current.addressSpace != nil { mallopt(M_ARENA_MAX, 1) }
    }
}
