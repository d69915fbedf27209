// Ends accepting on a listening channel that stays open: what waits in the kernel's queue is then left to whoever else
// holds the socket. Automatic reading switched off alone would not do, as a consumer that catches up asks for more.

import NIOCore
import Synchronization

final class AcceptGate: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = Never

    private let isClosed = Atomic(false)

    func read(context: ChannelHandlerContext) {
        if !self.isClosed.load(ordering: .relaxed) { context.read() }
    }

    /// Accepts no more once this returns.
    func close(on server: any Channel) async throws {
        self.isClosed.store(true, ordering: .relaxed)
        // On the event loop, so a round of accepting that is under way is over by then.
        try await server.setOption(.autoRead, value: false).get()
    }
}
