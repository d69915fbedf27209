// Threads that belong to no pool: they may block for as long as they like. One that cannot be started is an error,
// which Foundation's Thread would keep to itself.

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

    /// Names the calling thread; pthread_setname_np(3) is not among what Swift sees of glibc.
    private static func setName(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        _ = write(file, name, name.utf8.count)
    }
}
