// Threads that share out work. Which thread takes which item is left to chance; callers see to it that no result
// depends on it.

import Dispatch
import PixelCNNKernels
import Synchronization

/// A number of threads.
struct Team: Sendable {
    let threads: Int

    /// Calls `body(worker, item)` for each item below `count`, workers numbered from 0, each one item at a time.
    func run(_ count: Int, _ body: (_ worker: Int, _ item: Int) -> Void) {
        let next = Atomic<Int>(0)
        withoutActuallyEscaping(body) { body in
            nonisolated(unsafe) let body = body  // runs on several threads: that items do not meet is the caller's word
            DispatchQueue.concurrentPerform(iterations: min(threads, count)) { worker in
                Kernels.resetFloatState()
                while true {
                    let item = next.add(1, ordering: .relaxed).oldValue
                    guard item < count else { return }
                    body(worker, item)
                }
            }
        }
    }
}
