// Ctrl-C, the system's request to end, and a terminal that goes, as a cancelled task or as a flag that a loop polls:
// whatever holds a temporary file or has changed the terminal puts it right on its way out. A second Ctrl-C or request
// ends the program at once; a second SIGHUP does not, since both the kernel and a shell send one as a terminal goes.
// Nor does one that comes together with the first: timeout(1) signals its child and then the child's whole group.

import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Takes SIGINT, SIGTERM and, unless it is ignored as under nohup(1), SIGHUP for as long as the program runs.
package final class Interruption: Sendable {
    /// What an interrupted body ends with, once it has put everything right.
    package struct Interrupted: Error {
        package let signal: Int32

        /// 128 and the signal's number, as a shell has it.
        package var exitStatus: Int32 { 128 + signal }
    }

    /// The first signal; 0 before it.
    private let first = Atomic<Int32>(0)
    /// When it came.
    private let began = Mutex<ContinuousClock.Instant?>(nil)
    /// Signals that come within this time of the first are the same request.
    private static let moment = Duration.milliseconds(500)

    /// Whether the program is to end.
    package var isRequested: Bool { requested != nil }

    /// What the program is to end with; nil before the first signal.
    package var requested: Interrupted? {
        let signal = first.load(ordering: .relaxed)
        return signal == 0 ? nil : Interrupted(signal: signal)
    }

    /// - Parameter request: called at the first signal, on a thread of its own.
    package init(_ request: @escaping @Sendable () -> Void) {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            let before = signal(number, SIG_IGN)
            let wasIgnored = before.map { unsafeBitCast($0, to: Int.self) == 1 } ?? false
            if number == SIGHUP, wasIgnored { continue }
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
            source.setEventHandler { [self] in
                let earlier = first.compareExchange(expected: 0, desired: number, ordering: .relaxed).original
                if earlier == 0 {
                    began.withLock { $0 = .now }
                    request()
                } else if number != SIGHUP, began.withLock({ $0.map { .now - $0 > Self.moment } ?? false }) {
                    _exit(128 + earlier)
                }
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
        if let interrupted = interruption.requested { throw interrupted }
        return try result.get()
    }
}
