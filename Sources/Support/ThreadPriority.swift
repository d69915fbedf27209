// Threads that keep a core busy run below the event loops, so that a small response does not wait behind a product of
// matrices.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package enum ThreadPriority {
    /// Puts the calling thread, and on Linux it alone, below those with the usual priority. A sandbox may forbid it,
    /// and then priorities stay equal.
    package static func lower() {
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 15)
    }
}
