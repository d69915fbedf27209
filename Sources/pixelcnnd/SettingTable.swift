// All settings, one line each: --help, the environment, the file behind --config, the manual page, the table of
// docs/SERVICE.md, and what a reload leaves as it is follow from the table. A new setting is a line in SettingTable and
// a property in DaemonOptions, as ArgumentParser wants one; `make tables` puts it into the document.

import ArgumentParser
import Logging
import NIOCore
import PixelCNNAPI
import PixelCNNEngine
import PixelCNNKernels
import PixelCNNScheduler
import PixelCNNServer
import Support

/// One setting. Its name gives all three places: `max_queue` is --max-queue on the command line, PIXELCNND_MAX_QUEUE in
/// the environment and max_queue in the file.
struct Setting<Value: Sendable>: Sendable {
    enum Completion {
        case none
        case file(extensions: [String])
        case words([String])
    }

    /// When a change in the file takes effect.
    enum Change: String {
        case reload, restart
    }

    /// As the file has it.
    let name: String
    /// What --help and the manual page call the value.
    let valueName: String
    /// What a value may be, for messages and documents.
    let allowed: String
    let fallback: Value
    /// The default, for documents; nil where `help` says it, or there is none.
    let fallbackText: String?
    let change: Change
    /// A sentence without its full stop.
    let help: String
    let completion: Completion
    /// Whether a negative number is a value, too, if not an allowed one.
    var isNumber = false
    /// What to say of values that are allowed no more.
    var former: [String: String] = [:]
    /// The value of a text; nil where it is not allowed.
    let read: @Sendable (String) -> Value?

    var option: String { "--" + name.replacing("_", with: "-") }
    var variable: String { "PIXELCNND_" + name.uppercased() }
    var helpText: String { help + (fallbackText.map { "; \($0) by default." } ?? ".") }
}

/// A setting without its type.
protocol AnySetting: Sendable {
    var name: String { get }
    var allowed: String { get }
    var former: [String: String] { get }
    var fallbackText: String? { get }
    var help: String { get }
    var takesReload: Bool { get }
    var option: String { get }
    var variable: String { get }
    func allows(_ text: String) -> Bool
    /// The value in words, to be compared.
    func description(in settings: Settings) -> String
}

extension Setting: AnySetting {
    var takesReload: Bool { change == .reload }
    func allows(_ text: String) -> Bool { read(text) != nil }
    func description(in settings: Settings) -> String { "\(settings.value(of: self))" }
}

/// The table.
struct SettingTable: Sendable {
    static let shared = SettingTable()

    let model = Setting<String?>.text(
        "model", .reload, "file", "The model file, or a bundled model: digits (the default) or emoji",
        completion: .file(extensions: ["pt", "pth", "safetensors"]))
    let weights = Setting<String?>.text(
        "weights", .reload, "path",
        """
        Which copy of the network to serve, if the model file has several: its path in the file, or a part of it, \
        such as ema
        """, completion: .none)
    let socket = Setting<String?>.text(
        "socket", .restart, "path",
        """
        Where to listen, unless systemd passes a socket: a path, or unix:// and a path; by default \
        $XDG_RUNTIME_DIR/pixelcnn.sock (/run/user/UID/pixelcnn.sock if the variable is not set), else \
        /run/pixelcnn/pixelcnn.sock
        """, completion: .file(extensions: []))
    let threads = Setting<Int>.integer(
        "threads", .reload, "n", in: 1...1024, default: MachineLimits.current.processors,
        shown: "the processors it may use",
        "Number of compute threads")
    let precision = Setting<Precision>.word(
        "precision", .reload, "precision", default: .f32,
        """
        f32 (the default), or i16, which computes in 16-bit integers: faster, and values are equal only to those of \
        other i16 daemons
        """, former: Precision.former)
    let maxQueue = Setting<Int>.integer(
        "max_queue", .reload, "images", in: 1...1_000_000, default: 4096,
        "The largest number of queued images; a request that finds the queue empty may have more")
    let maxImages = Setting<Int>.integer(
        "max_images", .reload, "images", in: 1...1_000_000, default: RequestLimits().maximumImages,
        "The largest number of images that one request samples")
    let maxSide = Setting<Int>.integer(
        "max_side", .reload, "pixels", in: 1...65_536, default: RequestLimits().maximumSide,
        "The largest number of rows, and of columns, of an image")
    let height = Setting<Int?>.optionalInteger(
        "height", .reload, "h", in: 1...65_536, "Rows of an image, if a request does not specify them")
    let width = Setting<Int?>.optionalInteger(
        "width", .reload, "w", in: 1...65_536, "Columns of an image, if a request does not specify them")
    let maxValues = Setting<Int>.integer(
        "max_values", .reload, "values", in: 1...1 << 40, default: RequestLimits().maximumValues,
        "The largest number of values (images × channels × rows × columns) of one request")
    let maxBody = Setting<Int>.bytes(
        "max_body", .reload, in: 1024...1 << 40, default: RequestLimits().maximumBodyBytes,
        "The largest body of a request, in bytes")
    let maxRequestMemory = Setting<Int>.bytes(
        "max_request_memory", .restart, in: 1 << 20...1 << 50,
        default: ServerState.defaultMaximumRequestBytes, isShare: true,
        "The most memory that the bodies, values and responses of all requests may take together")
    let maxRowCaches = Setting<Int>.bytes(
        "max_row_caches", .reload, in: 1 << 20...1 << 50, default: Scheduler.defaultMaximumCacheBytes,
        isShare: true,
        "The most memory that row caches may take: those of images in flight, and those kept for the next images")
    let cacheSize = Setting<Int>.bytes(
        "cache_size", .reload, in: 0...1 << 50, default: PrefixCache.defaultByteLimit,
        isShare: true,
        """
        The most memory that the cache of first rows may take (0 for no cache); with it, completions of a picture, \
        and variations of a sample just drawn, start below rows that are known
        """)
    let clientTimeout = Setting<Int>.integer(
        "client_timeout", .restart, "seconds", in: 1...86_400, default: 60,
        "Disconnect a client that neither sends nor reads anything for this time")
    let drainTimeout = Setting<Int>.integer(
        "drain_timeout", .restart, "seconds", in: 1...86_400, default: 30,
        "How long running requests may continue after SIGTERM or SIGINT")
    let exitWhenIdle = Setting<Int?>.optionalInteger(
        "exit_when_idle", .restart, "seconds", in: 1...86_400,
        "Exit after this time without a request; for use where a service manager keeps the socket")
    let lifeline = Setting<Int?>.optionalInteger(
        "lifeline", .restart, "descriptor", in: 0...1_048_575,
        """
        Exit when the other end of this pipe, an open file descriptor, is closed: a program that starts a daemon of \
        its own keeps that end, and the daemon does not outlive it
        """)
    let logLevel = Setting<Logger.Level>.word(
        "log_level", .restart, "level", default: .info,
        "trace, debug, info (the default), notice, warning, error or critical")

    /// Every setting, in the order above.
    static let all: [any AnySetting] = Mirror(reflecting: shared).children.compactMap { $0.value as? any AnySetting }

    /// Variables of the environment whose values are names of files.
    static let textVariables = [shared.model.variable, shared.socket.variable, "PIXELCNND_CONFIG"]
}

/// The command line as it is typed. Nothing has a default here: what is not given may still come from the environment,
/// or from a file.
struct DaemonOptions: ParsableArguments {
    @Argument(
        help: "The model, as --model names it.", completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var file: String?

    @Option(\.model) var model: String?
    @Option(\.weights) var weights: String?
    @Option(\.socket) var socket: String?
    @Option(\.threads) var threads: Int?
    @Option(\.precision) var precision: String?
    @Option(\.maxQueue) var maxQueue: Int?
    @Option(\.maxImages) var maxImages: Int?
    @Option(\.maxSide) var maxSide: Int?
    @Option(\.height) var height: Int?
    @Option(\.width) var width: Int?
    @Option(\.maxValues) var maxValues: Int?
    @Option(\.maxBody) var maxBody: String?
    @Option(\.maxRequestMemory) var maxRequestMemory: String?
    @Option(\.maxRowCaches) var maxRowCaches: String?
    @Option(\.cacheSize) var cacheSize: String?
    @Option(\.clientTimeout) var clientTimeout: Int?
    @Option(\.drainTimeout) var drainTimeout: Int?
    @Option(\.exitWhenIdle) var exitWhenIdle: Int?
    @Option(\.lifeline) var lifeline: Int?
    @Option(\.logLevel) var logLevel: String?

    @Option(
        help: ArgumentHelp(
            "A file of settings in YAML or JSON, such as max_queue: 64.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var config: String?

    func validate() throws {
        if let file, let model {
            throw ValidationError("the model is named twice: \(file), and --model \(model)")
        }
    }

    /// What is given, by the settings' names.
    var texts: [String: String] {
        var texts: [String: String] = [:]
        if let file { texts[SettingTable.shared.model.name] = file }
        for (label, value) in Mirror(reflecting: self).children {
            let text =
                switch value {
                case let option as Option<Int?>: option.wrappedValue.map { "\($0)" }
                case let option as Option<String?>: option.wrappedValue
                default: nil as String?
                }
            // The label of a wrapper is its property's, after an underscore: _maxQueue is max_queue.
            let name = label?.dropFirst().reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : "\($1)" }
            if let name, let text { texts[name] = text }
        }
        return texts
    }
}

// MARK: - How a line is written

extension Setting where Value == String? {
    fileprivate static func text(
        _ name: String, _ change: Change, _ valueName: String, _ help: String, completion: Completion
    ) -> Setting {
        Setting(
            name: name, valueName: valueName, allowed: "a path", fallback: nil, fallbackText: nil, change: change,
            help: help, completion: completion, read: { $0 })
    }
}

extension Setting where Value == Int {
    /// - Parameters:
    ///   - shown: the default in words, where its number is none.
    ///   - isShare: whether ``MemoryShares`` may lower the default.
    fileprivate static func integer(
        _ name: String, _ change: Change, _ valueName: String, in range: ClosedRange<Int>, default fallback: Int,
        shown: String? = nil, isShare: Bool = false, _ help: String
    ) -> Setting {
        Setting(
            name: name, valueName: valueName, allowed: "\(range.lowerBound)…\(range.upperBound)", fallback: fallback,
            fallbackText: shown ?? "\(fallback)" + (isShare ? " (less where memory is limited)" : ""), change: change,
            help: help, completion: .none, isNumber: true,
            read: { Int($0).flatMap { range.contains($0) ? $0 : nil } })
    }

    /// A size, which may be written as `256M`.
    fileprivate static func bytes(
        _ name: String, _ change: Change, in range: ClosedRange<Int>, default fallback: Int, isShare: Bool = false,
        _ help: String
    ) -> Setting {
        Setting(
            name: name, valueName: "bytes",
            allowed: "\(range.lowerBound)…\(range.upperBound), or with K, M, G or T, as 256M",
            fallback: fallback, fallbackText: "\(fallback)" + (isShare ? " (less where memory is limited)" : ""),
            change: change, help: help, completion: .none, isNumber: true,
            read: { ByteCount.read($0).flatMap { range.contains($0) ? $0 : nil } })
    }
}

/// Bytes as people write them.
enum ByteCount {
    /// `268435456`, `256M`, `256MiB`: powers of 1024; nil for what is no such number.
    static func read(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).lowercased()
        guard !unit.isEmpty else { return Int(text) }
        let units = ["k", "m", "g", "t"]
        guard let number = Int(digits),
            let power = units.firstIndex(where: { [$0, "\($0)b", "\($0)ib"].contains(unit) })
        else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (10 * (power + 1)))
        return overflow ? nil : bytes
    }
}

extension Setting where Value == Int? {
    fileprivate static func optionalInteger(
        _ name: String, _ change: Change, _ valueName: String, in range: ClosedRange<Int>, _ help: String
    ) -> Setting {
        Setting(
            name: name, valueName: valueName, allowed: "\(range.lowerBound)…\(range.upperBound)", fallback: nil,
            fallbackText: nil, change: change, help: help, completion: .none, isNumber: true,
            read: { text -> Int?? in Int(text).flatMap { range.contains($0) ? .some($0) : nil } })
    }
}

extension Setting where Value: RawRepresentable<String> & CaseIterable {
    fileprivate static func word(
        _ name: String, _ change: Change, _ valueName: String, default fallback: Value, _ help: String,
        former: [String: String] = [:]
    ) -> Setting {
        let words = Value.allCases.map(\.rawValue)
        return Setting(
            name: name, valueName: valueName, allowed: words.joined(separator: ", "), fallback: fallback,
            fallbackText: nil, change: change, help: help, completion: .words(words), former: former,
            read: { text in Value.allCases.first { $0.rawValue == text.lowercased() } })
    }
}

extension Option {
    fileprivate init<Given: ExpressibleByArgument, Read>(_ line: KeyPath<SettingTable, Setting<Read>>)
    where Value == Given? {
        let setting = SettingTable.shared[keyPath: line]
        let completion: CompletionKind? =
            switch setting.completion {
            case .none: nil
            case .file(let extensions): .file(extensions: extensions)
            case .words(let words): .list(words)
            }
        self.init(
            name: .customLong(String(setting.option.dropFirst(2))),
            parsing: setting.isNumber ? .unconditional : .next,
            help: ArgumentHelp(setting.helpText, valueName: setting.valueName), completion: completion)
    }
}
