// Governs accepting on a listening channel that stays open. At the end of a drain it is over for good: what waits in
// the kernel's queue is then left to whoever else holds the socket. Automatic reading switched off alone would not do,
// as a consumer that catches up asks for more. And it pauses where the process has run out of descriptors: NIO's own
// handler delays what is asked for, but not the event that says somebody waits, which then comes back at once, for
// ever.

import NIOCore
import Synchronization

final class AcceptGate: ChannelDuplexHandler, Sendable {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    /// How long until accepting is tried again.
    static let pause = TimeAmount.milliseconds(100)

    private let isClosed = Atomic(false)
    private let isPaused = Atomic(false)

    func read(context: ChannelHandlerContext) {
        if !self.isClosed.load(ordering: .relaxed), !self.isPaused.load(ordering: .relaxed) { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        guard !isPaused.exchange(true, ordering: .relaxed) else { return }
        let channel = context.channel
        // Takes the descriptor out of the event loop's selection, which a read put off would not.
        channel.setOption(.autoRead, value: false).whenFailure { _ in }
        context.eventLoop.scheduleTask(in: Self.pause) {
            self.isPaused.store(false, ordering: .relaxed)
            guard !self.isClosed.load(ordering: .relaxed) else { return }
            channel.setOption(.autoRead, value: true).whenFailure { _ in }
        }
    }

    /// Accepts no more once this returns.
    func close(on server: any Channel) async throws {
        isClosed.store(true, ordering: .relaxed)
        // On the event loop, so a round of accepting that is under way is over by then.
        try await server.setOption(.autoRead, value: false).get()
    }
}
