// The file behind --config, YAML or JSON (which is YAML, too): one mapping of settings to plain values. An unknown or
// repeated key is an error, for a setting that is misspelt must not silently leave its default in force.

import Foundation
import PixelCNNAPI
import Support
import Yams

struct ConfigurationFile: Equatable {
    /// A value as it is written, and where.
    struct Value: Equatable {
        let text: String
        let line: Int
    }

    let path: String
    let values: [String: Value]

    /// Reads a file.
    ///
    /// - Throws: 66 where it cannot be read, 78 where it is not what it must be.
    init(path: String, knownKeys: [String]) throws(Failure) {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            let reason = access(path, R_OK) == 0 ? "it is not a text file" : String(cString: strerror(errno))
            throw Failure(.noInput, "cannot read \(path): \(reason)")
        }
        try self.init(path: path, text: text, knownKeys: knownKeys)
    }

    init(path: String, text: String, knownKeys: [String]) throws(Failure) {
        self.path = path
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw Failure(.configuration, "\(path) is neither YAML nor JSON: \(Self.reason(error))")
        }
        // A file of nothing but comments sets nothing.
        guard let root, root.null == nil else {
            self.values = [:]
            return
        }
        guard let mapping = root.mapping else {
            throw Failure(.configuration, "\(path) must be a mapping of settings to values")
        }
        var values: [String: Value] = [:]
        for (key, value) in mapping {
            let line = key.mark?.line ?? 1
            guard let name = key.string, knownKeys.contains(name) else {
                throw Failure(
                    .configuration,
                    "\(path):\(line): unknown setting \"\(key.string ?? "?")\"; "
                        + "known are \(knownKeys.joined(separator: ", "))"
                )
            }
            guard let scalar = value.scalar, value.null == nil else {
                throw Failure(.configuration, "\(path):\(line): \(name) must have a plain value")
            }
            values[name] = Value(text: scalar.string, line: line)
        }
        self.values = values
    }

    /// One line of what Yams says; its own messages draw the place as well.
    private static func reason(_ error: any Error) -> String {
        switch error {
        case YamlError.duplicatedKeysInMapping(let duplicates, _):
            "given twice: \(duplicates.sorted().joined(separator: ", "))"
        case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _):
            "line \(mark.line): \(problem)"
        default: "\(error)".split(separator: "\n").first.map(String.init) ?? "unreadable"
        }
    }
}
