// A thread of the project's own: outside Swift's cooperative pool, which must never block, and below the event loops'
// priority, so that a small answer does not wait behind a matrix product.

import Foundation

/// A thread that runs one closure.
struct ComputeThread: Sendable {
    private let isDone = DispatchSemaphore(value: 0)

    /// Starts the thread; `name` (15 bytes at most) is what `top -H` shows.
    init(name: String, run: @escaping @Sendable () -> Void) {
        let thread = Thread { [isDone] in
            // On Linux this is the calling thread's own. A sandbox may forbid it, and then priorities stay equal.
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 15)
            run()
            isDone.signal()
        }
        thread.name = name
        thread.start()
    }

    /// Waits for the closure's end.
    func join() {
        isDone.wait()
        isDone.signal()
    }

    /// Waits for the ends of all, on a thread of its own: Swift's pool must not wait for them, of lower priority and
    /// perhaps stuck.
    static func join(_ threads: [ComputeThread]) async {
        await withCheckedContinuation { waiter in
            Thread.detachNewThread {
                for thread in threads { thread.join() }
                waiter.resume()
            }
        }
    }
}
