// Ctrl-C and the system's request to end, as a cancelled task or as a flag that a loop polls: whatever holds a
// temporary file or has changed the terminal puts it right on its way out. A second signal ends the program at once.

import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Takes SIGINT and SIGTERM for as long as the program runs.
package final class Interruption: Sendable {
    /// What an interrupted body ends with, once it has put everything right.
    package struct Interrupted: Error {
        package let signal: Int32

        /// 128 and the signal's number, as a shell has it.
        package var exitStatus: Int32 { 128 + signal }
    }

    /// The first signal; 0 before it.
    private let first = Atomic<Int32>(0)

    /// Whether the program is to end.
    package var isRequested: Bool { first.load(ordering: .relaxed) != 0 }

    /// - Parameters:
    ///   - exitStatus: what a second signal ends the program with; by default 128 and the first signal's number.
    ///   - request: called at the first signal, on a thread of its own.
    package init(exitStatus: Int32? = nil, _ request: @escaping @Sendable () -> Void) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
            source.setEventHandler { [self] in
                let earlier = first.compareExchange(expected: 0, desired: number, ordering: .relaxed).original
                if earlier != 0 { _exit(exitStatus ?? 128 + earlier) }
                request()
                withExtendedLifetime(source) {}
            }
            source.activate()
        }
    }

    /// Runs `body` as a task that the first signal cancels.
    ///
    /// - Throws: what `body` throws; after a signal ``Interrupted``, once `body` has ended.
    package static func cancelling<Value: Sendable>(
        _ body: @Sendable @escaping () async throws -> Value
    ) async throws -> Value {
        let (requests, request) = AsyncStream.makeStream(of: Void.self)
        let interruption = Interruption { request.finish() }
        let task = Task(operation: body)
        let watch = Task {
            for await _ in requests {}
            if !Task.isCancelled { task.cancel() }
        }
        let result = await task.result
        watch.cancel()
        let signal = interruption.first.load(ordering: .relaxed)
        if signal != 0 { throw Interrupted(signal: signal) }
        return try result.get()
    }
}
