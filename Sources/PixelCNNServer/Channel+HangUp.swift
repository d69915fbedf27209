// Hanging up on a client: one that takes nothing for too long, and one that has been told that its connection closes.

import NIOCore

extension Channel {
    /// Closes the connection after `patience`, unless it is cancelled before: a write that waits for it then fails.
    func scheduleHangUp(in patience: TimeAmount) -> Scheduled<Void> {
        eventLoop.scheduleTask(in: patience) { self.close(promise: nil) }
    }

    /// Closes the connection once the client has had a second for its last answer: closing throws away what it has not
    /// read yet.
    func closeAfterLastAnswer() { _ = scheduleHangUp(in: .seconds(1)) }
}
