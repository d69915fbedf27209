// Signals, taken by a thread of its own: it needs neither Swift's pool nor an event loop, so it acts whatever hangs
// there. The first SIGTERM or SIGINT begins the end and sets its bound; if the process is still there then, this thread
// ends it. So does SIGHUP where the kernel sends it, whose terminal has closed; from anybody else it wants a reload. A
// handler passes the signals on through a pipe: to block them, as signalfd(2) and sigwait(3) need it, is not
// possible, because Dispatch leaves the main thread waiting with all of them unblocked.

import Foundation
import Support
import Synchronization

final class SignalThread: Sendable {
    /// What a signal does. Until there is an end to begin, SIGTERM and SIGINT end the process as if nothing took them.
    private struct Actions {
        var hangUp: (@Sendable () -> Void)?
        var end: End?
    }

    private struct End {
        let bound: Duration
        let begin: @Sendable () -> Void
        let overdue: @Sendable () -> Void
    }

    private let actions = Mutex(Actions())
    private let descriptor: CInt
    /// Where the handler writes a signal's number; set before there is a handler.
    nonisolated(unsafe) private static var handlersDescriptor: CInt = -1
    /// Beside a signal's number: the kernel itself has sent it.
    private static var fromKernel: CInt { 0x80 }
    /// Whether whoever started us wants SIGHUP ignored, as nohup(1) does: then we outlive the terminal.
    nonisolated(unsafe) private static var outlivesTerminal = false

    /// Ignores SIGHUP until there is a thread for it: nothing is read yet that a reload would read again. To be called
    /// before there is a second thread.
    static func prepare() {
        var before = sigaction()
        sigaction(SIGHUP, nil, &before)
        let handler = withUnsafeBytes(of: before.__sigaction_handler) { $0.load(as: UInt.self) }
        outlivesTerminal = handler == 1  // SIG_IGN
        signal(SIGHUP, SIG_IGN)
    }

    /// Takes the signals from now on; once per process.
    ///
    /// - Parameter hangUp: called for SIGHUP, which otherwise ends the process; must not block.
    /// - Throws: ``Failure`` (71) where the thread cannot be started.
    init(hangUp: (@Sendable () -> Void)?) throws(Failure) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw Failure(.osError, "cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }  // nothing is started that would inherit them
        (descriptor, Self.handlersDescriptor) = (ends[0], ends[1])
        actions.withLock { $0.hangUp = hangUp }
        try PlainThread.start("signals") { [self] in run() }
        for signal in [SIGHUP, SIGINT, SIGTERM] { Self.handle(signal) }
    }

    private static func handle(_ signal: CInt) {
        var action = sigaction()
        action.sa_flags = SA_RESTART | SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { signal, info, _ in
            let error = errno
            let isFromKernel = info?.pointee.si_code == 0x80  // SI_KERNEL
            var byte = UInt8(truncatingIfNeeded: isFromKernel ? signal | SignalThread.fromKernel : signal)
            // Where the pipe is full, enough signals wait in it.
            _ = write(SignalThread.handlersDescriptor, &byte, 1)
            errno = error
        }
        sigaction(signal, &action, nil)
    }

    /// From now on the first SIGTERM or SIGINT calls `begin`, and `overdue` where the process is still there after
    /// `bound`. Neither must block.
    func end(
        within bound: Duration, _ begin: @Sendable @escaping () -> Void, overdue: @Sendable @escaping () -> Void
    ) {
        actions.withLock { $0.end = End(bound: bound, begin: begin, overdue: overdue) }
    }

    private func run() {
        var ending: (end: End, deadline: ContinuousClock.Instant)?
        while true {
            var signal = wait(until: ending?.deadline)
            if signal & Self.fromKernel != 0 {
                signal &= ~Self.fromKernel
                if signal == SIGHUP {
                    if Self.outlivesTerminal { continue }
                    signal = SIGTERM
                }
            }
            if let ending, ContinuousClock.now >= ending.deadline { ending.end.overdue() }
            let actions = actions.withLock { $0 }
            switch signal {
            case SIGHUP:
                if let hangUp = actions.hangUp { hangUp() } else { Self.die(of: SIGHUP) }
            case SIGINT, SIGTERM:
                guard let end = actions.end else { Self.die(of: signal) }
                if ending == nil {
                    ending = (end, .now + end.bound)
                    end.begin()
                }
            default: break  // the time has passed
            }
        }
    }

    /// The next signal; 0 where there is none by then.
    private func wait(until deadline: ContinuousClock.Instant?) -> CInt {
        let milliseconds = deadline.map { max(0, (($0 - .now) / .milliseconds(1)).rounded(.up)) }
        var readable = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        poll(&readable, 1, milliseconds.map { CInt(min($0, Double(CInt.max))) } ?? -1)
        var byte: UInt8 = 0
        return read(descriptor, &byte, 1) == 1 ? CInt(byte) : 0
    }

    /// Ends the process as the signal does where nobody takes it.
    private static func die(of number: CInt) -> Never {
        signal(number, SIG_DFL)
        kill(getpid(), number)
        usleep(100_000)
        _exit(128 + number)  // as the first process of a container, which no such signal ends
    }
}
