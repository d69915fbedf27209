// Ends the daemon when nobody has asked it for anything for a while: behind a socket that somebody else listens on, the
// next connection starts it again. It asks the clock and the counters twice a second; a request costs nothing more.

import ServiceLifecycle

/// A service that returns once no request has been answered for a time, or a graceful shutdown begins.
package struct IdleExit: Service {
    private let state: ServerState
    private let limit: Duration
    private let onIdle: @Sendable () -> Void

    /// A watch that waits for `limit` without a request; `onIdle` is called then.
    package init(state: ServerState, limit: Duration, onIdle: @Sendable @escaping () -> Void = {}) {
        (self.state, self.limit, self.onIdle) = (state, limit, onIdle)
    }

    /// Waits.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: min(.milliseconds(500), limit / 4))) != nil {
                if let idle = state.idleTime, idle >= limit { return onIdle() }
            }
        }
    }
}
