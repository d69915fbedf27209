// Why a file could not be written: which file, which step, and the system's reason.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Why `AtomicFile` could not write a file. Unless the step says otherwise, what was there before is untouched.
package struct AtomicFileError: Error, Sendable, Equatable {
    /// What failed.
    package enum Step: String, Sendable {
        /// Opening the file, or a temporary one beside it.
        case open
        /// Writing the bytes.
        case write
        /// Making the bytes durable.
        case synchronize = "synchronize"
        /// Giving the finished file its name.
        case rename
        /// Making the name durable. The new file is in place.
        case synchronizeDirectory = "synchronize the directory of"
    }

    /// The file that was to be written.
    package let path: String
    /// What failed.
    package let step: Step
    /// The system's error number.
    package let errno: Int32

    /// An error as given.
    package init(path: String, step: Step, errno: Int32) {
        (self.path, self.step, self.errno) = (path, step, errno)
    }
}

extension AtomicFileError: CustomStringConvertible {
    /// The system's reason; where it says less than is known, what to do.
    package var reason: String {
        switch (step, errno) {
        case (.open, ENOENT): "its folder does not exist; make it first"
        case (.open, EISDIR): "it is a folder; name a file"
        default: String(cString: strerror(errno))
        }
    }

    /// One line with the path, the step and the reason.
    package var description: String { "cannot \(step.rawValue) \(path): \(reason)" }
}
