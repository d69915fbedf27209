// Ends the daemon with whoever started it, however that ended: the kernel closes a pipe's end with the last process
// that has it. A thread of its own waits in read(2), which costs nothing, and also ends a daemon that still loads its
// model.

import Foundation
import Support

enum Lifeline {
    /// Ends the daemon, as SIGTERM does, when the other end of `descriptor` is closed.
    ///
    /// - Throws: ``Failure`` (64) where nothing could close it.
    static func hold(_ descriptor: CInt) throws(Failure) {
        guard let kind = FileKind(descriptor: descriptor), kind == .pipe || kind == .socket else {
            throw Failure(
                .usage,
                "--lifeline is \(descriptor); allowed is the open descriptor of a pipe's reading end, or a socket")
        }
        try PlainThread.start("lifeline") {
            var byte: UInt8 = 0
            var count = 0
            repeat { count = read(descriptor, &byte, 1) } while count > 0 || count < 0 && errno == EINTR
            kill(getpid(), SIGTERM)
        }
    }
}
