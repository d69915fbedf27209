// The second thread of a session with a single image, as an idle compute thread of the daemon is one.

import Foundation
import PixelCNNEngine
import Synchronization

/// A thread that helps a session until it is told to stop.
final class HelperThread: Sendable {
    private let isDone = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(assistance: Assistance) {
        Thread { [self] in
            Kernels.resetFloatState()
            while !isDone.load(ordering: .relaxed) { assistance.help { !isDone.load(ordering: .relaxed) } }
            ended.signal()
        }.start()
    }

    func stop() {
        isDone.store(true, ordering: .relaxed)
        ended.wait()
    }
}
