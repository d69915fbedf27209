// The protocol with systemd: sd_notify(3), sd_watchdog_enabled(3). Without a service manager (no NOTIFY_SOCKET) nothing
// is sent.

import CSystemd
import Foundation

enum ServiceManager {
    /// Sends lines such as `READY=1`. A failure to tell is no reason to stop serving.
    static func notify(_ lines: [String]) {
        _ = sd_notify(0, lines.joined(separator: "\n"))
    }

    /// Now, as MONOTONIC_USEC= beside RELOADING=1 has it.
    static var monotonicMicroseconds: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
    }

    /// How long the service manager waits for a sign of life before it restarts us; nil where it does not watch.
    static var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        return sd_watchdog_enabled(0, &microseconds) > 0 ? .microseconds(Int64(clamping: microseconds)) : nil
    }
}
