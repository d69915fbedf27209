// Faults made on purpose, for tests of what must notice them: whether a stuck worker is found and the daemon restarted
// can only be seen with a worker that is stuck.

/// Which faults to make; none by default.
package struct DebugFaults: Sendable {
    /// A worker that takes up an image drawn with this seed makes no further step until the scheduler stops.
    package var hangingSeed: UInt64?

    /// No faults but those named.
    package init(hangingSeed: UInt64? = nil) {
        self.hangingSeed = hangingSeed
    }
}
