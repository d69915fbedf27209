// A daemon behind a socket that somebody else holds ends when nobody needs it.

import PixelCNNServer
import ServiceLifecycle

/// Ends the daemon when nobody has sent it a request for a while: behind a socket that somebody else listens on, the
/// next connection starts it again. A service that returns then, or when a graceful shutdown begins. It reads the clock
/// and the counters twice a second; a request costs nothing more.
struct IdleExit: Service {
    private let state: ServerState
    private let limit: Duration
    private let onIdle: @Sendable () -> Void

    /// A watch that waits for `limit` without a request; `onIdle` is called then.
    init(state: ServerState, limit: Duration, onIdle: @Sendable @escaping () -> Void = {}) {
        self.state = state
        self.limit = limit
        self.onIdle = onIdle
    }

    /// Waits.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: min(.milliseconds(500), limit / 4))) != nil {
                if let idle = state.idleTime, idle >= limit { return onIdle() }
            }
        }
    }
}
