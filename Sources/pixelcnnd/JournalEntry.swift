// A log event as the journal takes it: fields. The metadata are fields of their own, to be filtered by
// (`journalctl PIXELCNN_REQUEST=…`), and stand in the message too, as that is all that `journalctl` shows.

import Logging

struct JournalEntry {
    /// Names and values, in the order in which they are sent.
    private(set) var fields: [(name: String, value: String)]

    init(_ event: LogEvent, label: String, metadata: Logger.Metadata) {
        var metadata = metadata
        if let error = event.error { metadata["error"] = "\(error)" }
        let sorted = metadata.sorted { $0.key < $1.key }
        let suffix = sorted.isEmpty ? "" : " (\(sorted.map { "\($0.key)=\($0.value)" }.joined(separator: " ")))"
        self.fields = [
            ("MESSAGE", "\(event.message)\(suffix)"), ("PRIORITY", "\(Self.priority(of: event.level))"),
            ("SYSLOG_IDENTIFIER", label), ("CODE_FILE", event.file), ("CODE_LINE", "\(event.line)"),
            ("CODE_FUNC", event.function),
        ]
        for (key, value) in sorted { self.fields.append((Self.fieldName(key), "\(value)")) }
    }

    /// The priority of syslog(3).
    static func priority(of level: Logger.Level) -> Int {
        switch level {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }

    /// A metadata key among the journal's names: capital letters, digits and _, at most 64. The prefix keeps ours apart
    /// from the journal's own.
    static func fieldName(_ key: String) -> String {
        let allowed = key.uppercased().unicodeScalars.map { scalar -> Character in
            ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) ? Character(scalar) : "_"
        }
        return String(("PIXELCNN_" + String(allowed)).prefix(64))
    }
}
