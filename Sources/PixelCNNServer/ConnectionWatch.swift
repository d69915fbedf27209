// Notices that a client is gone while its images are computed, and cancels the work. The kernel reports a peer that
// closed altogether at once, whether or not anything is read; a client that merely finished sending (a half-close)
// stays connected and gets its answer.

import NIOCore
import Synchronization

final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = NIOAny

    private struct Watch: Sendable {
        var isClosed = false
        /// Cancels the running operation. HTTP/1.1 answers in order, so there is at most one.
        var cancel: (@Sendable () -> Void)?
    }

    private let watch = Mutex(Watch())

    func channelInactive(context: ChannelHandlerContext) {
        let cancel = self.watch.withLock { watch in
            watch.isClosed = true
            return watch.cancel
        }
        cancel?()
        context.fireChannelInactive()
    }

    /// Runs `operation`, cancelled when the connection closes or the calling task is cancelled.
    func cancellingOnClose<Value: Sendable>(
        _ operation: @Sendable @escaping () async throws -> Value
    ) async throws -> Value {
        let task = Task(operation: operation)
        let isClosed = self.watch.withLock { watch in
            watch.cancel = { task.cancel() }
            return watch.isClosed
        }
        if isClosed { task.cancel() }
        defer { self.watch.withLock { $0.cancel = nil } }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

extension Channel {
    /// Runs `operation`, cancelled when this connection closes; for connections with a ``ConnectionWatch``.
    func cancellingOnClose<Value: Sendable>(
        _ operation: @Sendable @escaping () async throws -> Value
    ) async throws -> Value {
        let watch: ConnectionWatch
        do {
            watch = try await self.pipeline.handler(type: ConnectionWatch.self).get()
        } catch {
            // A closed channel has no handlers any more: there is nobody to answer.
            throw CancellationError()
        }
        return try await watch.cancellingOnClose(operation)
    }
}
