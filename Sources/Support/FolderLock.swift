// The lock of a folder, which orders processes that change what is in it at the same moment. It is no file: nothing is
// left over. Whoever may read a folder may lock it, so it is waited for only so long, and who holds it must not be able
// to stop anybody.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package final class FolderLock {
    private let descriptor: CInt
    /// Whether it was got: not where another holds it for longer, or where the file system has no locks.
    package private(set) var isHeld = false
    /// Why the folder cannot be opened; 0 where it can.
    package let openError: CInt

    /// Locks a folder, until the value goes; waits at most `timeout` for it.
    package init(_ folder: String, timeout: Duration) {
        descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        openError = descriptor < 0 ? errno : 0
        guard descriptor >= 0 else { return }
        let end = ContinuousClock.now + timeout
        while true {
            isHeld = flock(descriptor, LOCK_EX | LOCK_NB) == 0
            guard !isHeld, errno == EWOULDBLOCK || errno == EINTR, .now < end else { return }
            usleep(5_000)
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
