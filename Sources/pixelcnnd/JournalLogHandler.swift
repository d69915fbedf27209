// Sends log events to the journal as fields, with their priority.

import CSystemd
import Foundation
import Logging

struct JournalLogHandler: LogHandler {
    let label: String
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = metadataProvider?.get() { metadata.merge(provided) { $1 } }
        if let own = event.metadata { metadata.merge(own) { $1 } }
        let entry = JournalEntry(event, label: label, metadata: metadata)
        if Self.send(entry) < 0 {
            // What cannot go to the journal one way goes there the other; it reads the priority from the prefix.
            let line = "<\(JournalEntry.priority(of: event.level))>\(event.message)\n"
            try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
        }
    }

    private static func send(_ entry: JournalEntry) -> CInt {
        // All fields in one buffer, so that no pointer outlives what it points into.
        var bytes: [UInt8] = []
        let ranges = entry.fields.map { field -> Range<Int> in
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
}
