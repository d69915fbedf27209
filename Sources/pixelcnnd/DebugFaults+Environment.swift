// Switches for faults, off unless PIXELCNND_DEBUG_FAULTS=1: no request can then do harm. Armed, a request for samples
// with the seed 3735928559 (0xdeadbeef) hangs the compute thread that takes it up, as a bug would, and the watchdog
// must act.

import PixelCNNScheduler

extension DebugFaults {
    /// The seed that hangs a worker where faults are armed.
    static let seedThatHangs: UInt64 = 0xdead_beef

    /// No faults, unless the environment arms them.
    init(environment: [String: String]) {
        self.init(hangingSeed: environment["PIXELCNND_DEBUG_FAULTS"] == "1" ? Self.seedThatHangs : nil)
    }
}
