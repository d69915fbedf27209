// An error that ends a program: one line for a person, one code for a script. Libraries throw their own errors; a
// program turns them into this one where it adds what to do about them.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package struct Failure: Error, Equatable {
    package let status: SystemExit
    package let message: String

    package init(_ status: SystemExit, _ message: String) {
        self.status = status
        self.message = message
    }
}

/// The stream for people.
package enum StandardError {
    package static func write(_ text: String) { writeToPeople(text, on: STDERR_FILENO) }
}

/// Writes all of a text. Where that cannot be done, nobody reads it, and nothing is wrong.
func writeToPeople(_ text: String, on descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
        var rest = UnsafeRawBufferPointer(bytes)
        while !rest.isEmpty {
            let written = systemWrite(descriptor, rest)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }
}
