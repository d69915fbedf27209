// What the daemon runs with: the command line, else the environment, else the defaults. Every value is checked here,
// under the name that the user gave it by.

import Logging
import NIOCore
import PixelCNNAPI
import PixelCNNEngine

struct Settings: Equatable {
    static let defaultMaximumQueue = 4096

    /// nil for the bundled model.
    var model: String?
    var socket: String?
    var threads: Int
    var precision: Precision
    var height: Int?
    var width: Int?
    var maximumQueue: Int
    var logLevel: Logger.Level

    init(options: DaemonOptions, environment: [String: String]) throws(Failure) {
        let source = OptionSource(environment: environment)
        let limits = RequestLimits()
        self.model = source.text(options.model, "PIXELCNND_MODEL")
        self.socket = source.text(options.socket, "PIXELCNND_SOCKET")
        self.threads =
            try source.integer(options.threads, "--threads", "PIXELCNND_THREADS", in: 1...1024) ?? System.coreCount
        self.precision =
            try source.choice(options.precision, "--precision", "PIXELCNND_PRECISION", of: Precision.self) ?? .f32
        self.height = try source.integer(
            options.height, "--height", "PIXELCNND_HEIGHT", in: 1...limits.maximumSide)
        self.width = try source.integer(options.width, "--width", "PIXELCNND_WIDTH", in: 1...limits.maximumSide)
        self.maximumQueue =
            try source.integer(options.maxQueue, "--max-queue", "PIXELCNND_MAX_QUEUE", in: 1...1_000_000)
            ?? Self.defaultMaximumQueue
        let level = source.text(options.logLevel, "PIXELCNND_LOG_LEVEL") ?? "info"
        guard let logLevel = Logger.Level(rawValue: level.lowercased()) else {
            let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw Failure(.usage, "the log level is \"\(level)\"; allowed are \(known)")
        }
        self.logLevel = logLevel
    }
}

/// Options first, then variables; an empty variable counts as unset.
private struct OptionSource {
    let environment: [String: String]

    func text(_ option: String?, _ variable: String) -> String? {
        if let option { return option }
        guard let value = self.environment[variable], !value.isEmpty else { return nil }
        return value
    }

    /// One of an enum's words.
    func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ option: String?, _ name: String, _ variable: String, of type: Value.Type
    ) throws(Failure) -> Value? {
        guard let text = self.text(option, variable) else { return nil }
        guard let value = Value(rawValue: text) else {
            let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw Failure(.usage, "\(option != nil ? name : variable) is \"\(text)\"; allowed are \(known)")
        }
        return value
    }

    func integer(
        _ option: Int?, _ name: String, _ variable: String, in range: ClosedRange<Int>
    ) throws(Failure) -> Int? {
        let isOption = option != nil
        guard let text = self.text(option.map { "\($0)" }, variable) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw Failure(
                .usage,
                "\(isOption ? name : variable) is \"\(text)\"; allowed is \(range.lowerBound)…\(range.upperBound)")
        }
        return value
    }
}
