// The log's way out: a thread of its own writes the lines, so that a journal or a pipe that nobody reads stops this
// thread and no other. Lines wait in a bounded buffer; past its bound they are dropped and counted, and a line says so
// when the log flows again. A caller pays for a lock and a copy, whatever the reader does.

import Foundation
import Logging
import Support
import Synchronization

final class LogThread: Sendable {
    /// A line as it will be written.
    enum Line: Sendable {
        /// For standard error, with its newline.
        case text(String)
        case journal(JournalEntry)

        var byteCount: Int {
            switch self {
            case .text(let text): text.utf8.count
            case .journal(let entry): entry.byteCount
            }
        }
    }

    private struct State {
        var lines: [Line] = []
        /// Of the lines that are not written yet: of `lines`, and of those that the thread has taken.
        var bytes = 0
        /// Since a line has last said how many.
        var dropped = 0
        var firstDrop: ContinuousClock.Instant?
    }

    /// Of lines that wait: some two thousand records of requests.
    static let byteLimit = 1 << 20
    /// How long the end of the program waits for lines to be written.
    static let lastWords = Duration.seconds(2)
    /// While the buffer never empties, the time between two lines about those that were dropped.
    private static let reportInterval = Duration.seconds(10)

    private let byteLimit: Int
    private let write: @Sendable (Line) -> Bool
    private let reportDropped: @Sendable (_ count: Int, _ time: Duration) -> Void
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)
    private let droppedTotal = Atomic<Int>(0)

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - write: writes one line, for as long as it takes; false where it is lost.
    ///   - reportDropped: called when lines are written again after others were dropped; it may offer a line.
    /// - Throws: ``Failure`` (71) where the thread cannot be started.
    init(
        byteLimit: Int = LogThread.byteLimit, write: @Sendable @escaping (Line) -> Bool = LogThread.write,
        reportDropped: @Sendable @escaping (_ count: Int, _ time: Duration) -> Void
    ) throws(Failure) {
        self.byteLimit = byteLimit
        self.write = write
        self.reportDropped = reportDropped
        try PlainThread.start("log") { [self] in run() }
    }

    /// Lines that were dropped so far, and those that could not be written.
    var dropped: Int { droppedTotal.load(ordering: .relaxed) }

    /// Takes a line over, or drops it; never waits for a reader.
    func offer(_ line: Line) {
        let size = line.byteCount
        let isFirst = state.withLock { state -> Bool in
            guard state.bytes + size <= byteLimit else {
                state.dropped += 1
                if state.firstDrop == nil { state.firstDrop = .now }
                droppedTotal.wrappingAdd(1, ordering: .relaxed)
                return false
            }
            state.lines.append(line)
            state.bytes += size
            return state.lines.count == 1
        }
        if isFirst { wakeUp.signal() }
    }

    /// Waits until every line is written, or the time has passed.
    ///
    /// - Returns: whether every line is written.
    @discardableResult func flush(within time: Duration = LogThread.lastWords) -> Bool {
        let end = ContinuousClock.now + time
        while state.withLock({ $0.bytes > 0 }) {
            guard ContinuousClock.now < end else { return false }
            usleep(2000)
        }
        return true
    }

    private func run() {
        var lastReport = ContinuousClock.now
        while true {
            wakeUp.wait()
            let lines = state.withLock { state in
                defer { state.lines = [] }
                return state.lines
            }
            for line in lines {
                if !write(line) { droppedTotal.wrappingAdd(1, ordering: .relaxed) }
                let now = ContinuousClock.now
                let gap = state.withLock { state -> (count: Int, time: Duration)? in
                    state.bytes -= line.byteCount
                    guard let firstDrop = state.firstDrop,
                        state.bytes == 0 || now - lastReport >= Self.reportInterval && state.bytes < byteLimit / 2
                    else { return nil }
                    defer { (state.dropped, state.firstDrop) = (0, nil) }
                    return (state.dropped, now - firstDrop)
                }
                if let gap {
                    lastReport = now
                    reportDropped(gap.count, gap.time)
                }
            }
        }
    }

    /// Writes to the journal or, where that takes nothing, and for plain lines, to standard error.
    private static func write(_ line: Line) -> Bool {
        switch line {
        case .text(let text): return write(text)
        case .journal(let entry):
            if entry.send() >= 0 { return true }
            // Standard error goes to the journal, too; the prefix is the priority there.
            return write("<\(entry.priority)>\(entry.message)\n")
        }
    }

    private static func write(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Foundation.write(STDERR_FILENO, rest.baseAddress, rest.count)
                if count > 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if count < 0, errno == EAGAIN {
                    // Somebody who has the same descriptor has made it non-blocking.
                    var descriptor = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
                    poll(&descriptor, 1, -1)
                } else if count == 0 || errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}

/// Text of the log on its way to standard error.
struct LogTextStream: TextOutputStream, Sendable {
    let log: LogThread

    func write(_ string: String) { log.offer(.text(string)) }
}

extension LogThread {
    /// Starts the thread and sends everything that is logged from now on through it.
    ///
    /// - Throws: ``Failure`` (71) where the thread cannot be started.
    static func bootstrap(isJournal: Bool) throws(Failure) -> LogThread {
        let log = try LogThread(reportDropped: { count, time in
            Logger(label: "pixelcnnd").warning(
                "\(count) lines of the log were dropped, over \(time.components.seconds) s in which nobody read it")
        })
        LoggingSystem.bootstrap { label in
            if isJournal { return JournalLogHandler(label: label, log: log) }
            return StreamLogHandler(label: label, stream: LogTextStream(log: log), metadataProvider: nil)
        }
        return log
    }
}
