// The file behind --config, YAML or JSON (which is YAML, too): one mapping of settings to plain values. An unknown or
// repeated key is an error, for a setting that is misspelt must not silently leave its default in force. libyaml's
// events are read one by one, and the first that no such file has is an error: nothing is composed, so neither aliases
// nor nesting can make much of few bytes.

import CYAML
import Foundation
import PixelCNNAPI
import Support

struct ConfigurationFile: Equatable {
    /// A value as it is written, and where.
    struct Value: Equatable {
        let text: String
        let line: Int
    }

    /// The most bytes of a file.
    static let byteLimit = 1 << 20

    let path: String
    let values: [String: Value]

    /// Reads a file. Waits for as long as the file system does.
    ///
    /// - Throws: 66 where it cannot be read, 78 where it is not what it must be.
    init(path: String, knownKeys: [String]) throws(Failure) {
        try self.init(path: path, text: Self.bytes(path), knownKeys: knownKeys)
    }

    init(path: String, text: [UInt8], knownKeys: [String]) throws(Failure) {
        guard String(validating: text, as: UTF8.self) != nil else {
            throw Failure(.noInput, "cannot read \(path): it is not a text file")
        }
        self.path = path
        var events = YAMLEvents(text, path)
        defer { events.end() }
        values = try Self.values(&events, knownKeys)
    }

    /// All bytes; a pipe has them, too.
    private static func bytes(_ path: String) throws(Failure) -> [UInt8] {
        func failure() -> Failure { Failure(.noInput, "cannot read \(path): \(String(cString: strerror(errno)))") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= byteLimit else {
                throw Failure(.configuration, "\(path) has more than \(byteLimit) bytes; settings need far fewer")
            }
        }
    }

    private static func values(_ events: inout YAMLEvents, _ knownKeys: [String]) throws(Failure) -> [String: Value] {
        // A file of nothing but comments sets nothing.
        guard let root = try events.documentStart() else { return [:] }
        switch root {
        case .scalar(let scalar) where scalar.isNull: break
        case .mappingStart: break
        default: throw Failure(.configuration, "\(events.path) must be a mapping of settings to values")
        }
        var values: [String: Value] = [:]
        while case .mappingStart = root {
            let key = try events.next()
            if case .mappingEnd = key { break }
            guard case .scalar(let name) = key else {
                throw events.failure("the name of a setting must be plain text")
            }
            guard knownKeys.contains(name.text) else {
                throw events.failure("unknown setting \"\(name.text)\"; known are \(knownKeys.joined(separator: ", "))")
            }
            guard values[name.text] == nil else { throw events.failure("given twice: \(name.text)") }
            let line = events.line
            guard case .scalar(let value) = try events.next(), !value.isNull else {
                throw events.failure("\(name.text) must have a plain value", line: line)
            }
            values[name.text] = Value(text: value.text, line: line)
        }
        try events.documentEnd()
        return values
    }
}

/// libyaml's parser, one event at a time. Aliases, anchors and tags are errors wherever they stand.
private struct YAMLEvents {
    struct Scalar {
        let text: String
        let isPlain: Bool

        /// As YAML 1.2's core schema has it.
        var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }
    }

    enum Event {
        case scalar(Scalar)
        case mappingStart, mappingEnd, sequence, other
    }

    let path: String
    /// Of the last event, from 1.
    private(set) var line = 1
    private let text: UnsafeMutableBufferPointer<UInt8>
    // Where they are must not change: libyaml points from one into the other.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)

    init(_ bytes: [UInt8], _ path: String) {
        self.path = path
        text = .allocate(capacity: max(1, bytes.count))
        _ = text.initialize(from: bytes)
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, text.baseAddress, bytes.count)
    }

    /// Gives everything back; nothing else may be called then.
    func end() {
        yaml_parser_delete(parser)
        parser.deallocate()
        text.deallocate()
    }

    func failure(_ problem: String, line: Int? = nil) -> Failure {
        Failure(.configuration, "\(path):\(line ?? self.line): \(problem)")
    }

    /// The first event of the only document; nil where there is none.
    mutating func documentStart() throws(Failure) -> Event? {
        _ = try read()  // of the stream
        guard try read() == YAML_DOCUMENT_START_EVENT else { return nil }
        return try next()
    }

    /// Nothing may follow.
    mutating func documentEnd() throws(Failure) {
        _ = try read()
        guard try read() == YAML_STREAM_END_EVENT else { throw failure("there may be one document only") }
    }

    mutating func next() throws(Failure) -> Event {
        var event = yaml_event_t()
        _ = try read(&event)
        defer { yaml_event_delete(&event) }
        let marks: [UnsafeMutablePointer<yaml_char_t>?]
        let found: Event
        switch event.type {
        case YAML_ALIAS_EVENT: (marks, found) = ([event.data.alias.anchor], .other)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let text = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            marks = [scalar.anchor, scalar.tag]
            found = .scalar(
                Scalar(text: String(decoding: text, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE))
        case YAML_MAPPING_START_EVENT:
            (marks, found) = ([event.data.mapping_start.anchor, event.data.mapping_start.tag], .mappingStart)
        case YAML_SEQUENCE_START_EVENT:
            (marks, found) = ([event.data.sequence_start.anchor, event.data.sequence_start.tag], .sequence)
        case YAML_MAPPING_END_EVENT: (marks, found) = ([], .mappingEnd)
        default: (marks, found) = ([], .other)
        }
        guard marks.allSatisfy({ $0 == nil }) else {
            throw failure("aliases (*name), anchors (&name) and tags (!name) are not allowed; write the value itself")
        }
        return found
    }

    private mutating func read() throws(Failure) -> yaml_event_type_t {
        var event = yaml_event_t()
        let type = try read(&event)
        yaml_event_delete(&event)
        return type
    }

    private mutating func read(_ event: inout yaml_event_t) throws(Failure) -> yaml_event_type_t {
        guard yaml_parser_parse(parser, &event) == 1 else {
            let problem = parser.pointee.problem.map { String(cString: $0) } ?? "unreadable"
            let line = Int(parser.pointee.problem_mark.line) + 1
            throw Failure(.configuration, "\(path) is neither YAML nor JSON: line \(line): \(problem)")
        }
        line = Int(event.start_mark.line) + 1
        return event.type
    }
}
