// A lock for as long as a program writes the files of one name: two runs would mix theirs. It is a file beside them,
// which the kernel unlocks however its holder ends; one that was left over is used again. Only a regular file of our
// own, under no other name, is taken for one: it is written to, and removed at the end.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package final class OutputLock {
    private let path: String
    private let descriptor: CInt

    /// Takes the lock.
    ///
    /// - Returns: nil where another holds it.
    /// - Throws: ``Failure`` (73) where there can be no such file.
    package init?(_ path: String) throws(Failure) {
        self.path = path
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw Self.failure(path, String(cString: strerror(errno))) }
            var (opened, named) = (stat(), stat())
            guard fstat(descriptor, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG, opened.st_nlink <= 1,
                opened.st_uid == geteuid()
            else {
                close(descriptor)
                throw Self.failure(path, "something else is there than a lock of ours; remove it")
            }
            let code = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno
            if code == EWOULDBLOCK {
                close(descriptor)
                return nil
            }
            if code == EINTR {
                close(descriptor)
                continue
            }
            // Another number: the file system has no locks, and two runs are the user's to avoid.
            // Its last holder may have removed it since it was opened.
            guard lstat(path, &named) == 0, (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino) else {
                close(descriptor)
                continue
            }
            self.descriptor = descriptor
            let text = "\(getpid())\n"
            _ = ftruncate(descriptor, 0)
            _ = write(descriptor, text, text.utf8.count)
            return
        }
    }

    deinit {
        unlink(path)
        close(descriptor)
    }

    /// The process that holds a lock, as its file says; nil where it does not.
    package static func holder(_ path: String) -> Int? {
        guard let file = try? OpenFile(regular: path), let bytes = try? file.bytes(0..<20) else { return nil }
        return Int(String(decoding: bytes.prefix { $0 != 0x0a }, as: UTF8.self))
    }

    private static func failure(_ path: String, _ reason: String) -> Failure {
        Failure(.cannotCreate, "cannot make the lock \(path): \(reason)")
    }
}
