// What the daemon runs with: the command line, else the environment (where empty counts as unset), else the file behind
// --config, else the default. Every value is checked here, under the name that the user gave it by.

import PixelCNNAPI
import PixelCNNModel
import Support

/// A value for each line of ``SettingTable``: `settings.threads`.
@dynamicMemberLookup
struct Settings: Equatable {
    /// What was given, and is allowed.
    private var texts: [String: String] = [:]

    subscript<Value>(dynamicMember line: KeyPath<SettingTable, Setting<Value>>) -> Value {
        value(of: SettingTable.shared[keyPath: line])
    }

    func value<Value>(of setting: Setting<Value>) -> Value {
        texts[setting.name].flatMap(setting.read) ?? setting.fallback
    }

    /// Whether somebody has set it.
    func isSet<Value>(_ line: KeyPath<SettingTable, Setting<Value>>) -> Bool {
        texts[SettingTable.shared[keyPath: line].name] != nil
    }

    /// How long reading them may take: a file may be on a network that is gone.
    static let bound = Duration.seconds(10)

    /// - Throws: ``Failure`` naming the place, the value and what is allowed.
    init(options: DaemonOptions, environment: [String: String]) throws(Failure) {
        let path = options.config ?? environment["PIXELCNND_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        let file: ConfigurationFile? =
            if let path { try ConfigurationFile(path: path, knownKeys: SettingTable.all.map(\.name)) } else { nil }
        let given = options.texts
        for setting in SettingTable.all {
            let found: Found
            if let text = given[setting.name] {
                found = Found(text: text, place: setting.option, status: .usage)
            } else if let text = environment[setting.variable], !text.isEmpty {
                found = Found(text: text, place: setting.variable, status: .usage)
            } else if let file, let value = file.values[setting.name] {
                found = Found(
                    text: value.text, place: "\(file.path):\(value.line): \(setting.name)", status: .configuration)
            } else {
                continue
            }
            guard setting.allows(found.text) else {
                let former = setting.former[found.text].map { " (\($0))" } ?? ""
                throw found.failure(allowed: setting.allowed + former)
            }
            texts[setting.name] = found.text
            // A bound of the sides is a setting itself, which the table has before them.
            if ["height", "width"].contains(setting.name), let side = Int(found.text), side > self.maxSide {
                throw found.failure(allowed: "1…\(self.maxSide)")
            }
        }
    }

    private struct Found {
        let text: String
        /// For messages.
        let place: String
        let status: SystemExit

        func failure(allowed: String) -> Failure {
            Failure(status, "\(place) is \"\(text)\"; allowed is \(allowed)")
        }
    }

    /// The bounds of one request.
    var limits: RequestLimits {
        RequestLimits(
            maximumImages: self.maxImages, maximumSide: self.maxSide, maximumValues: self.maxValues,
            maximumBodyBytes: self.maxBody)
    }

    /// The settings that only a start reads and that differ, by name.
    func restartSettings(changedFrom first: Settings) -> [String] {
        SettingTable.all.filter { !$0.takesReload && $0.description(in: self) != $0.description(in: first) }
            .map(\.name).sorted()
    }

    /// Checks that a request which does not specify a size is within the limits; that takes the model.
    func check(_ model: Model) throws(Failure) {
        let h = model.hyperparameters
        do {
            try limits.check(count: 1, channels: h.channels, height: h.height, width: h.width)
        } catch {
            throw Failure(.usage, "the limits allow no image of the model's own size: \(error)")
        }
    }

    /// Variables that look like settings and are not. A service of Kubernetes that is called pixelcnnd adds some of its
    /// own (PIXELCNND_SERVICE_HOST, PIXELCNND_PORT_80_TCP), so they are no error.
    static func warnings(_ environment: [String: String]) -> [String] {
        let known = SettingTable.all.map(\.variable) + ["PIXELCNND_CONFIG", "PIXELCNND_DEBUG_FAULTS"]
        return environment.keys.filter { name in
            name.hasPrefix("PIXELCNND_") && !known.contains(name)
                && !["PIXELCNND_SERVICE_", "PIXELCNND_PORT"].contains(where: name.hasPrefix)
        }.sorted().map { "\($0) is no setting and is ignored; pixelcnnd --help has the settings" }
    }
}
