// The standard streams. Any of them may be closed from the start, and may lose its other end at any moment: `| head`
// has enough, `| tee` dies of the same Ctrl-C, the terminal goes with its connection.

import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package enum StandardStreams {
    /// Called before anything else. From now on an other end that is gone is an error where it is written to, and no
    /// signal that ends the program. A stream that was closed by whoever started the program is kept from becoming the
    /// next file that is opened, into which people's lines would go; its use fails as before.
    package static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest number that is free is this one. The wrong way round, so that nothing is read or written.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}

/// The stream for people.
package enum StandardError {
    package static func write(_ text: String) { writeToPeople(text, on: STDERR_FILENO) }
}

/// The stream for results, unbuffered. What goes wrong is kept until the end: a program that has more to do goes on.
package enum StandardOutput {
    private static let error = Atomic<Int32>(0)

    /// The number of the first error; 0 where there was none.
    package static var firstError: Int32 { error.load(ordering: .relaxed) }

    /// Whether nobody is there any more who would read it: a pipe without a reader, or a terminal that has gone.
    package static var isAbandoned: Bool { [EPIPE, EIO].contains(firstError) }

    /// Writes all of a text; nothing after an error.
    package static func write(_ text: String) {
        guard firstError == 0, let code = writeAll(text, on: STDOUT_FILENO) else { return }
        error.store(code, ordering: .relaxed)
    }
}

/// Writes all of a text. Where that cannot be done, nobody reads it, and nothing is wrong.
func writeToPeople(_ text: String, on descriptor: Int32) { _ = writeAll(text, on: descriptor) }

/// Writes all of a text; the number of the error where it cannot.
private func writeAll(_ text: String, on descriptor: Int32) -> Int32? {
    var text = text
    return text.withUTF8 { bytes in
        var rest = UnsafeRawBufferPointer(bytes)
        while !rest.isEmpty {
            let written = systemWrite(descriptor, rest)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return written < 0 ? errno : EIO }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
        return nil
    }
}
