// Ctrl-C and the system's request to end, as a question that the training loop asks between steps. A second Ctrl-C ends
// the program at once.

import Dispatch
import Foundation
import Synchronization

final class Interruption: Sendable {
    private let requests = Atomic<Int>(0)

    /// Whether the run is to be saved and ended.
    var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    /// Takes SIGINT and SIGTERM for as long as the program runs.
    init() {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
            source.setEventHandler { [self] in
                if requests.add(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
                Console.say("\nsaving after this step; once more to end at once")
                withExtendedLifetime(source) {}
            }
            source.activate()
        }
    }
}
