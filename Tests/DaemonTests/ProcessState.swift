// What the kernel says of a running daemon.

import Foundation

/// A process's resources at one moment; zeros where it is gone.
struct ProcessState: Equatable {
    /// Open file descriptors.
    var descriptors = 0
    /// Threads.
    var threads = 0
    /// Resident memory.
    var residentBytes = 0
    /// The most resident memory so far.
    var peakBytes = 0

    init(_ processIdentifier: Int32) {
        let folder = "/proc/\(processIdentifier)"
        self.descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd").count) ?? 0
        let status = (try? String(contentsOfFile: "\(folder)/status", encoding: .utf8)) ?? ""
        for line in status.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count > 1, let value = Int(words[1]) else { continue }
            if words[0] == "Threads:" { self.threads = value }
            if words[0] == "VmRSS:" { self.residentBytes = value * 1024 }
            if words[0] == "VmHWM:" { self.peakBytes = value * 1024 }
        }
    }
}

extension RunningDaemon {
    /// Its resources now.
    var process: ProcessState { ProcessState(command.processIdentifier) }
}
