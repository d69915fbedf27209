// The second thread of a session with a single image, as an idle compute thread of the daemon is one.

import Foundation
import PixelCNNEngine
import PixelCNNKernels
import Synchronization

/// A thread that helps a session until `stop()`.
final class Helper: Sendable {
    private let isDone = Atomic<Bool>(false)
    private let ended = DispatchSemaphore(value: 0)

    init(_ session: SamplingSession) {
        let helperThread = session.helperThread
        Thread { [self] in
            Kernels.resetFloatState()
            while !isDone.load(ordering: .relaxed) { helperThread.help { !isDone.load(ordering: .relaxed) } }
            ended.signal()
        }.start()
    }

    func stop() {
        isDone.store(true, ordering: .relaxed)
        ended.wait()
    }
}
