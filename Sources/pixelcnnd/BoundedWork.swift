// Work that may never end, such as reading a file of a network that is gone: on a thread of its own, and given up after
// a while. The thread cannot be stopped; until it ends by itself, no other begins, so at most one of a kind hangs.

import Support
import Synchronization

final class BoundedWork: Sendable {
    /// What the work is, for messages: "reading the settings".
    private let description: String
    private let name: String
    private let bound: Duration
    private let isUnderWay = Atomic<Bool>(false)

    /// - Parameter name: what `top -H` shows.
    init(_ description: String, thread name: String, within bound: Duration) {
        self.description = description
        self.name = name
        self.bound = bound
    }

    /// Runs `body`, below the priority of what serves requests, and waits for it without holding a thread.
    ///
    /// - Throws: what `body` throws; ``Failure`` where it takes too long (66), where one from before has not ended
    ///   (66), or where the thread cannot be started (71).
    func run<Value: Sendable>(_ body: @Sendable @escaping () throws -> Value) async throws -> Value {
        guard !isUnderWay.exchange(true, ordering: .acquiring) else {
            throw Failure(.noInput, "\(description) has not ended since it was tried last")
        }
        let outcome = Outcome<Value>()
        do {
            try PlainThread.start(name) { [self] in
                ThreadPriority.lower()
                let result = Result(catching: body)
                isUnderWay.store(false, ordering: .releasing)
                outcome.settle(result)
            }
        } catch {
            isUnderWay.store(false, ordering: .releasing)
            throw error
        }
        let limit = Task { [bound, description] in
            try await Task.sleep(for: bound)
            let seconds = bound.components.seconds
            outcome.settle(.failure(Failure(.noInput, "\(description) has taken more than \(seconds) s")))
        }
        defer { limit.cancel() }
        return try await outcome.value()
    }
}

/// A result that is there once, whoever comes first.
private final class Outcome<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value, any Error>)
        case settled(Result<Value, any Error>)
        case over
    }

    private let state = Mutex(State.open)

    /// Later results are dropped.
    func settle(_ result: Result<Value, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            switch state {
            case .open: state = .settled(result)
            case .awaited(let waiter):
                state = .over
                return waiter
            case .settled, .over: break
            }
            return nil
        }
        waiter?.resume(with: result)
    }

    /// Waits for it; once.
    func value() async throws -> Value {
        try await withCheckedThrowingContinuation { waiter in
            let result = state.withLock { state -> Result<Value, any Error>? in
                guard case .settled(let result) = state else {
                    state = .awaited(waiter)
                    return nil
                }
                state = .over
                return result
            }
            if let result { waiter.resume(with: result) }
        }
    }
}
