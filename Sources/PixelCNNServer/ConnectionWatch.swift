// Notices that a client is gone while its images are computed, and cancels the work. The kernel reports a peer that
// closed altogether at once, whether or not anything is read; a client that merely finished sending (a half-close)
// stays connected and gets its answer.

import NIOCore
import Synchronization

final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = NIOAny

    private struct Watch: Sendable {
        var isClosed = false
        var started: UInt64 = 0
        /// What cancels each operation that runs: one, or for a moment two, as HTTP/1.1 answers in order.
        var running: [UInt64: @Sendable () -> Void] = [:]
    }

    private let watch = Mutex(Watch())

    func channelInactive(context: ChannelHandlerContext) {
        let running = self.watch.withLock { watch in
            watch.isClosed = true
            return watch.running
        }
        for cancel in running.values { cancel() }
        context.fireChannelInactive()
    }

    /// Starts `operation`, which is cancelled when the connection closes.
    func start<Value: Sendable>(_ operation: @Sendable @escaping () async throws -> Value) -> Task<Value, any Error> {
        // Under the lock, so that an operation that ends at once finds itself registered.
        self.watch.withLock { watch in
            watch.started += 1
            let number = watch.started
            let task = Task {
                defer { self.watch.withLock { $0.running[number] = nil } }
                return try await operation()
            }
            if watch.isClosed { task.cancel() }
            watch.running[number] = { task.cancel() }
            return task
        }
    }

    /// Runs `operation`, cancelled when the connection closes or the calling task is cancelled.
    func cancellingOnClose<Value: Sendable>(
        _ operation: @Sendable @escaping () async throws -> Value
    ) async throws -> Value {
        let task = start(operation)
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
