// Whether an event loop, or Swift's pool, still takes up work: it is given a piece, and the time until that is done
// counts. At most one piece is under way, so a target that hangs collects nothing.

import Dispatch
import NIOCore
import Synchronization

final class Probe: Sendable {
    /// For messages.
    let name: String
    private let send: @Sendable (_ respond: @Sendable @escaping () -> Void) -> Void
    /// When the piece was sent that nobody has done yet, in nanoseconds; 0 where there is none.
    private let sent = Atomic<UInt64>(0)

    /// - Parameter send: has a piece of work done by what is to be probed; must not block.
    init(_ name: String, _ send: @Sendable @escaping (_ respond: @Sendable @escaping () -> Void) -> Void) {
        self.name = name
        self.send = send
    }

    /// Sends a piece of work where none is under way. The clock stands still while the machine sleeps.
    func probe() {
        guard sent.load(ordering: .relaxed) == 0 else { return }
        sent.store(max(1, DispatchTime.now().uptimeNanoseconds), ordering: .relaxed)
        send { [self] in sent.store(0, ordering: .relaxed) }
    }

    /// For how long the piece under way has not been done; zero where there is none.
    var silence: Duration {
        let sent = sent.load(ordering: .relaxed)
        let now = DispatchTime.now().uptimeNanoseconds
        return sent == 0 || now <= sent ? .zero : .nanoseconds(Int64(now - sent))
    }

    /// Of Swift's pool, and of each event loop.
    static func all(_ loops: [any EventLoop]) -> [Probe] {
        [Probe("Swift's pool") { respond in Task.detached { respond() } }]
            + loops.enumerated().map { i, loop in Probe("event loop \(i)") { loop.execute($0) } }
    }
}
