// Threads that belong to no pool: they may block for as long as they like. One that cannot be started is an error,
// which Foundation's Thread would keep to itself.

import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package enum PlainThread {
    /// What the new thread gets.
    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread that runs `body` and ends. `name` (15 bytes at most) is what `top -H` shows.
    ///
    /// - Throws: ``Failure`` (71) where the system starts no further thread.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Failure) {
        let start = Unmanaged.passRetained(Start(name, body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                PlainThread.setName(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw Failure(
                .osError,
                "cannot start the thread \"\(name)\": \(String(cString: strerror(code))); the limit is the number of "
                    + "processes (ulimit -u, TasksMax=, pids.max) or of memory (ulimit -v)")
        }
        pthread_detach(thread)
    }

    /// Whether so many further threads could be started now: starts them and ends them again, in a fraction of a
    /// millisecond each. Pools start theirs later, and cannot say that it fails: they wait for ever, or trap.
    ///
    /// - Throws: ``Failure`` (71).
    package static func check(_ count: Int) throws(Failure) {
        let gate = DispatchSemaphore(value: 0)
        let ended = DispatchSemaphore(value: 0)
        var started = 0
        defer {
            for _ in 0..<started { gate.signal() }
            for _ in 0..<started { ended.wait() }
        }
        for _ in 0..<count {
            do throws(Failure) {
                try start("check") {
                    gate.wait()
                    ended.signal()
                }
            } catch {
                throw Failure(
                    .osError,
                    "only \(started) of the \(count) threads that it takes can be started; the limit is the number of "
                        + "processes (ulimit -u, TasksMax=, pids.max) or of memory (ulimit -v)")
            }
            started += 1
        }
    }

    /// Names the calling thread; pthread_setname_np(3) is not among what Swift sees of glibc.
    private static func setName(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        _ = write(file, name, name.utf8.count)
    }
}
