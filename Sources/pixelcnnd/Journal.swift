// Log events in systemd's journal, as fields with a priority. They can be filtered by (`journalctl
// PIXELCNN_REQUEST=…`), and stand in the message too, as that is all that `journalctl` shows. Where no journal is
// behind standard error, sd_journal_sendv(3) would lose every line, so lines then go to standard error as plain text.

import CSystemd
import Foundation
import Logging

/// Whether standard error goes to the journal: systemd names the stream that it made in JOURNAL_STREAM, and a program
/// whose output was redirected since has another one.
enum JournalStream {
    /// Whether `descriptor` is the stream that JOURNAL_STREAM names, as `device:inode`.
    static func isJournal(_ descriptor: CInt = STDERR_FILENO, environment: [String: String]) -> Bool {
        guard let value = environment["JOURNAL_STREAM"] else { return false }
        let parts = value.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let device = UInt64(parts[0]), let inode = UInt64(parts[1]) else { return false }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return false }
        return UInt64(status.st_dev) == device && UInt64(status.st_ino) == inode
    }
}

/// Makes entries of the journal of log events; the log's thread sends them.
struct JournalLogHandler: LogHandler {
    let label: String
    let log: LogThread
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, log: LogThread) {
        self.label = label
        self.log = log
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = metadataProvider?.get() { metadata.merge(provided) { $1 } }
        if let own = event.metadata { metadata.merge(own) { $1 } }
        log.offer(.journal(JournalEntry(event, label: label, metadata: metadata)))
    }
}

/// A log event as the journal takes it.
struct JournalEntry: Sendable {
    /// Names and values, in the order in which they are sent.
    private(set) var fields: [(name: String, value: String)]
    let priority: Int
    /// The event without its metadata.
    let message: String

    init(_ event: LogEvent, label: String, metadata: Logger.Metadata) {
        var metadata = metadata
        if let error = event.error { metadata["error"] = "\(error)" }
        let sorted = metadata.sorted { $0.key < $1.key }
        let suffix = sorted.isEmpty ? "" : " (\(sorted.map { "\($0.key)=\($0.value)" }.joined(separator: " ")))"
        priority = Self.priority(of: event.level)
        message = "\(event.message)"
        fields = [
            ("MESSAGE", "\(message)\(suffix)"), ("PRIORITY", "\(priority)"),
            ("SYSLOG_IDENTIFIER", label), ("CODE_FILE", event.file), ("CODE_LINE", "\(event.line)"),
            ("CODE_FUNC", event.function),
        ]
        for (key, value) in sorted { fields.append((Self.fieldName(key), "\(value)")) }
    }

    var byteCount: Int { fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 1 } }

    /// Sends it, for as long as that takes; negative where the journal does not take it.
    func send() -> CInt {
        // All fields in one buffer, so that no pointer outlives what it points into.
        var bytes: [UInt8] = []
        let ranges = fields.map { field -> Range<Int> in
            let start = bytes.count
            bytes += Array("\(field.name)=\(field.value)".utf8)
            return start..<bytes.count
        }
        return bytes.withUnsafeMutableBytes { buffer in
            let vectors = ranges.map { range in
                iovec(iov_base: buffer.baseAddress.map { $0 + range.lowerBound }, iov_len: range.count)
            }
            return sd_journal_sendv(vectors, CInt(vectors.count))
        }
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
