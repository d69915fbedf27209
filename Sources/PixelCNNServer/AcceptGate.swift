// Whether the server accepts connections.

import Glibc
import NIOCore
import Prometheus
import Synchronization

/// Governs accepting on a listening channel that stays open. At the end of a drain it is over for good: what waits in
/// the kernel's queue is then left to whoever else holds the socket. Automatic reading switched off alone would not do,
/// as a consumer that catches up requests more. And it pauses where few descriptors are left.
final class AcceptGate: ChannelDuplexHandler, Sendable {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    /// How long until accepting is tried again.
    static let pause = TimeAmount.milliseconds(100)

    private let isClosed = Atomic(false)
    private let isPaused = Atomic(false)
    private let connections = Atomic(0)
    private let otherDescriptors = Atomic(0)

    /// Counts what is open besides connections.
    func countDescriptors() {
        let others = (ProcessMetrics.openDescriptors() ?? 32) - connections.load(ordering: .relaxed)
        otherDescriptors.store(others, ordering: .relaxed)
    }

    /// Whether another connection would take one of the last descriptors. One connection is always accepted. The limit
    /// is asked for each time, since others may change it.
    private var isFull: Bool {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return false }
        let most = Int(clamping: limit.rlim_cur) - otherDescriptors.load(ordering: .relaxed)
        return connections.load(ordering: .relaxed) >= max(most - UnixSocketServer.spareDescriptors, 1)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connections.wrappingAdd(1, ordering: .relaxed)
        unwrapInboundIn(data).closeFuture.whenComplete { _ in
            self.connections.wrappingSubtract(1, ordering: .relaxed)
        }
        context.fireChannelRead(data)
        if isFull { pause(context) }
    }

    func read(context: ChannelHandlerContext) {
        if !isClosed.load(ordering: .relaxed), !isPaused.load(ordering: .relaxed) { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        pause(context)
    }

    /// Accepts nothing for a while. NIO's own handler delays what is requested, but not the event that says somebody
    /// waits, which then comes back at once, for ever.
    private func pause(_ context: ChannelHandlerContext) {
        guard !isPaused.exchange(true, ordering: .relaxed) else { return }
        // Takes the descriptor out of the event loop's selection, which a read put off would not.
        context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
        resumeLater(context.channel)
    }

    private func resumeLater(_ channel: any Channel) {
        channel.eventLoop.scheduleTask(in: Self.pause) {
            guard !self.isClosed.load(ordering: .relaxed) else { return }
            if self.isFull { return self.resumeLater(channel) }
            self.isPaused.store(false, ordering: .relaxed)
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
