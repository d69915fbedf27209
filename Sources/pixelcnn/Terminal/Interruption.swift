// Ctrl-C as a cancelled task: whatever holds a temporary file or has changed the terminal puts it right on its way out.

import ArgumentParser
import Foundation
import UnixSignals

enum Interruption {
    /// Runs `body`; SIGINT or SIGTERM cancels it, and a second one ends the program at once.
    ///
    /// - Throws: what `body` throws; after a signal, exit status 128 and its number, once `body` has ended.
    static func cancelling(_ body: @Sendable @escaping () async throws -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let task = Task(operation: body)
        let watch = Task { () -> Int32? in
            var first: Int32?
            for await signal in signals {
                if let first { _exit(128 + first) }
                first = signal == .sigint ? SIGINT : SIGTERM
                task.cancel()
            }
            return first
        }
        let result = await task.result
        watch.cancel()
        if let signal = await watch.value { throw ExitCode(128 + signal) }
        try result.get()
    }
}
