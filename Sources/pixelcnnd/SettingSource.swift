// Where a setting's value comes from. One name gives all three places: `max_queue` is --max-queue on the command line,
// PIXELCNND_MAX_QUEUE in the environment (where empty counts as unset) and max_queue in the file.

import PixelCNNAPI
import Support

struct SettingSource {
    /// Every setting, as the file has it.
    static let keys = [
        "model", "socket", "threads", "precision", "height", "width", "max_queue", "max_images", "max_side",
        "max_values", "max_body", "max_request_memory", "max_row_caches", "cache_size", "client_timeout",
        "drain_timeout", "exit_when_idle", "log_level",
    ]

    /// What to say of variables that look like settings and are none. A service of Kubernetes that is called pixelcnnd
    /// brings some of its own (PIXELCNND_SERVICE_HOST, PIXELCNND_PORT_80_TCP), so they are no error.
    static func warnings(_ environment: [String: String]) -> [String] {
        let known = self.keys.map { variable($0) } + ["PIXELCNND_CONFIG", "PIXELCNND_DEBUG_FAULTS"]
        return environment.keys.filter { name in
            name.hasPrefix("PIXELCNND_") && !known.contains(name)
                && !["PIXELCNND_SERVICE_", "PIXELCNND_PORT"].contains(where: name.hasPrefix)
        }.sorted().map { "\($0) is no setting and is ignored; pixelcnnd --help has the settings" }
    }

    private static func variable(_ key: String) -> String { "PIXELCNND_" + key.uppercased() }

    private struct Found {
        let text: String
        /// The place, for messages.
        let place: String
        let status: SystemExit
    }

    private let environment: [String: String]
    private let file: ConfigurationFile?

    /// Reads the file, where the option or PIXELCNND_CONFIG names one.
    init(file option: String?, environment: [String: String]) throws(Failure) {
        self.environment = environment
        let path = option ?? environment["PIXELCNND_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        self.file = if let path { try ConfigurationFile(path: path, knownKeys: Self.keys) } else { nil }
    }

    /// The value of `key`, whose option is `option`; nil where nobody gives one.
    func text(_ key: String, _ option: String?) -> String? { find(key, option)?.text }

    /// The value of `key` as an integer.
    ///
    /// - Throws: ``Failure`` naming the place, the value and what is allowed.
    func integer(_ key: String, _ option: Int?, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        try value(
            key, option.map { "\($0)" }, allowed: "\(range.lowerBound)…\(range.upperBound)"
        ) { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// The value of `key` as `read` takes it.
    ///
    /// - Throws: ``Failure`` naming the place, the value and what is allowed, where `read` gives nil.
    func value<Value>(
        _ key: String, _ option: String?, allowed: String, _ read: (String) -> Value?
    ) throws(Failure) -> Value? {
        guard let found = find(key, option) else { return nil }
        guard let value = read(found.text) else {
            throw Failure(found.status, "\(found.place) is \"\(found.text)\"; allowed is \(allowed)")
        }
        return value
    }

    private func find(_ key: String, _ option: String?) -> Found? {
        if let option {
            let name = "--" + String(key.map { $0 == "_" ? "-" : $0 })
            return Found(text: option, place: name, status: .usage)
        }
        let variable = Self.variable(key)
        if let text = environment[variable], !text.isEmpty {
            return Found(text: text, place: variable, status: .usage)
        }
        guard let file, let value = file.values[key] else { return nil }
        return Found(text: value.text, place: "\(file.path):\(value.line): \(key)", status: .configuration)
    }
}
