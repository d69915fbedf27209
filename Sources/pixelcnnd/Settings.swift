// What the daemon runs with: the command line, else the environment, else the file behind --config, else the defaults.
// Every value is checked here, under the name that the user gave it by.

import Logging
import NIOCore
import PixelCNNAPI
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel
import PixelCNNScheduler
import PixelCNNServer
import Support

struct Settings: Equatable {
    static let defaultMaximumQueue = 4096
    static let defaultClientTimeout = 60
    static let defaultDrainTimeout = 30

    /// nil for the bundled model.
    var model: String?
    var socket: String?
    var threads: Int
    var precision: Precision
    var height: Int?
    var width: Int?
    var maximumQueue: Int
    /// The most that one request may ask for.
    var limits: RequestLimits
    /// Bytes that all requests together may hold.
    var maximumRequestMemory: Int
    /// Bytes of the row caches of images in flight.
    var maximumRowCaches: Int
    /// Bytes of what is remembered of first rows.
    var cacheSize: Int
    /// Seconds.
    var clientTimeout: Int
    /// Seconds.
    var drainTimeout: Int
    /// Seconds; nil for never.
    var exitWhenIdle: Int?
    var logLevel: Logger.Level

    init(options: DaemonOptions, environment: [String: String]) throws(Failure) {
        let source = try SettingSource(file: options.config, environment: environment)
        let limits = RequestLimits()
        self.model = source.text("model", options.model)
        self.socket = source.text("socket", options.socket)
        self.threads = try source.integer("threads", options.threads, in: 1...1024) ?? System.coreCount
        self.precision =
            try source.value("precision", options.precision, allowed: Self.precisions, Precision.init(rawValue:))
            ?? .f32
        self.maximumQueue =
            try source.integer("max_queue", options.maxQueue, in: 1...1_000_000) ?? Self.defaultMaximumQueue
        self.limits = RequestLimits(
            maximumImages: try source.integer("max_images", options.maxImages, in: 1...1_000_000)
                ?? limits.maximumImages,
            maximumSide: try source.integer("max_side", options.maxSide, in: 1...65_536) ?? limits.maximumSide,
            maximumValues: try source.integer("max_values", options.maxValues, in: 1...1 << 40)
                ?? limits.maximumValues,
            maximumBodyBytes: try source.integer("max_body", options.maxBody, in: 1024...1 << 40)
                ?? limits.maximumBodyBytes)
        self.maximumRequestMemory =
            try source.integer("max_request_memory", options.maxRequestMemory, in: 1 << 20...1 << 50)
            ?? ServerState.defaultMaximumRequestBytes
        self.maximumRowCaches =
            try source.integer("max_row_caches", options.maxRowCaches, in: 1 << 20...1 << 50)
            ?? Scheduler.defaultMaximumCacheBytes
        self.cacheSize =
            try source.integer("cache_size", options.cacheSize, in: 0...1 << 50) ?? PrefixCache.defaultByteLimit
        self.height = try source.integer("height", options.height, in: 1...self.limits.maximumSide)
        self.width = try source.integer("width", options.width, in: 1...self.limits.maximumSide)
        self.clientTimeout =
            try source.integer("client_timeout", options.clientTimeout, in: 1...86_400) ?? Self.defaultClientTimeout
        self.drainTimeout =
            try source.integer("drain_timeout", options.drainTimeout, in: 1...86_400) ?? Self.defaultDrainTimeout
        self.exitWhenIdle = try source.integer("exit_when_idle", options.exitWhenIdle, in: 1...86_400)
        self.logLevel =
            try source.value("log_level", options.logLevel, allowed: Self.logLevels) {
                Logger.Level(rawValue: $0.lowercased())
            } ?? .info
    }

    /// The settings that a reload leaves as they are, by name.
    var restartSettings: [String: String] {
        [
            "socket": self.socket ?? "", "client_timeout": "\(clientTimeout)",
            "drain_timeout": "\(drainTimeout)", "exit_when_idle": exitWhenIdle.map { "\($0)" } ?? "",
            "log_level": logLevel.rawValue, "max_request_memory": "\(maximumRequestMemory)",
        ]
    }

    private static let precisions = Precision.allCases.map(\.rawValue).joined(separator: ", ")
    private static let logLevels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

    /// Checks what only the model can tell: that a request which says nothing of its size is within the limits.
    func check(_ model: Model) throws(Failure) {
        let h = model.hyperparameters
        do {
            try self.limits.check(count: 1, channels: h.channels, height: h.height, width: h.width)
        } catch {
            throw Failure(.usage, "the limits allow no image of the model's own size: \(error)")
        }
    }
}
