// Whether standard error goes to the journal: systemd names the stream that it made in JOURNAL_STREAM, and a program
// whose output was redirected since has another one. Without a journal behind it, sd_journal_sendv(3) would lose every
// line.

import Foundation

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
