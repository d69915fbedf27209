// Tells systemd where the daemon stands. Without a service manager (no NOTIFY_SOCKET) this does nothing.

import CSystemd

enum ServiceManager {
    static func notify(_ state: String, status: String) {
        // A status is one line, and a failure to tell it is no reason to stop serving.
        _ = sd_notify(0, "\(state)\nSTATUS=\(status)")
    }
}
