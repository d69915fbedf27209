// A program on a terminal of its own, as a person runs it: a pseudo-terminal of a given size, whose other side is read
// here.

import Foundation
import Synchronization

/// A running program whose standard streams are a terminal.
package final class PseudoTerminal: @unchecked Sendable {
    // `Process` is set up before it is shared, and afterwards only queried and signalled.
    private let process = Process()
    private let received = Mutex<[UInt8]>([])
    private let ends: AsyncStream<Int32>

    /// Starts a program on a terminal of `rows` lines of `columns` characters.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String], rows: Int = 24, columns: Int = 80
    ) throws {
        let (master, slave) = try Self.open()
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(slave, UInt(TIOCSWINSZ), &size)
        let (exits, exit) = AsyncStream<Int32>.makeStream()
        self.ends = exits
        self.process.prepare(program, arguments, environment: environment)
        let terminal = FileHandle(fileDescriptor: slave, closeOnDealloc: false)
        self.process.standardInput = terminal
        self.process.standardOutput = terminal
        self.process.standardError = terminal
        try self.process.run()
        close(slave)
        Thread.detachNewThread { [self] in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            // The last process on the terminal ends it: EIO.
            while case let count = read(master, &buffer, buffer.count), count > 0 {
                self.received.withLock { $0 += buffer[..<count] }
            }
            close(master)
            self.process.waitUntilExit()
            let signalled = self.process.terminationReason == .uncaughtSignal
            exit.yield(self.process.terminationStatus + (signalled ? 128 : 0))
            exit.finish()
        }
    }

    /// Both sides of a new pseudo-terminal; what unlockpt(3) and ptsname(3) do, which Swift does not see.
    private static func open() throws -> (master: CInt, slave: CInt) {
        let master = Foundation.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (lock, number): (CInt, CUnsignedInt) = (0, 0)
        guard ioctl(master, 0x4004_5431, &lock) == 0, ioctl(master, 0x8004_5430, &number) == 0 else {
            throw POSIXError(.init(rawValue: errno) ?? .EIO)
        }
        let slave = Foundation.open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard slave >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        return (master, slave)
    }

    /// What has come so far.
    package var output: String { String(decoding: received.withLock { $0 }, as: UTF8.self) }

    /// Sends a signal.
    package func signal(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits until it ends: its exit status, or the signal that ended it plus 128.
    package func wait() async -> Int32 {
        var status: Int32 = -1
        for await end in ends { status = end }
        return status
    }
}
