// An output file that appears whole or not at all: written beside its destination, synced, renamed over it, and the
// folder synced. A reader sees the old file or the new one, also after a crash. Costs two fsyncs.
//
// A file that is there is replaced as if it were written over: mode, group and, where the system allows it, owner stay.
// One that has other names (hard links), or that a container has mounted by itself, cannot be replaced and stay what it
// is: its bytes are copied over at the end, once they are all there, and only then a crash can leave half of them.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file being written under a temporary name in the destination's folder. Dropped uncommitted, it leaves no trace.
///
/// Symbolic links are followed, whether or not they lead to a file. Where the path is a device, a pipe or a socket
/// (`/dev/stdout`), it is written to directly: it cannot be replaced.
package struct AtomicFile: ~Copyable {
    private let path: String  // as given, for messages
    private let destination: String
    private let temporary: String?  // nil where the destination is written to directly
    private let descriptor: Int32
    private let hasOtherNames: Bool

    /// Creates the temporary file; the destination stays as it is until ``commit()``. Whatever shows that the file
    /// cannot be written shows here, as far as the system tells.
    /// - Throws: ``AtomicFileError``.
    package init(path: String) throws(AtomicFileError) {
        self.path = path
        (destination, temporary, descriptor, hasOtherNames) = try Self.open(path)
    }

    /// Creates a file under the name that it keeps: one of a folder that is itself put in place.
    init(creating location: String, reportedAs path: String) throws(AtomicFileError) {
        let descriptor = systemOpen(location, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw AtomicFileError(path: path, step: .open, errno: errno) }
        self.path = path
        destination = location
        temporary = nil
        hasOtherNames = false
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
        if let temporary { unlink(temporary) }  // gone already where it was renamed
    }

    /// Appends all bytes.
    /// - Throws: ``AtomicFileError``.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(AtomicFileError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = systemWrite(descriptor, rest)
            if written > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            } else if written == 0 || errno != EINTR {
                throw failure(.write)
            }
        }
    }

    /// Appends all bytes.
    /// - Throws: ``AtomicFileError``.
    package func write(_ bytes: [UInt8]) throws(AtomicFileError) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(AtomicFileError) in try write(buffer) }
        }
        try result.get()
    }

    /// Writes all bytes at a place of the file, whatever is there.
    /// - Throws: ``AtomicFileError``.
    package func write(_ bytes: [UInt8], at offset: Int) throws(AtomicFileError) {
        var done = 0
        while done < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                pwrite(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
            }
            if written > 0 {
                done += written
            } else if written == 0 || errno != EINTR {
                throw failure(.write)
            }
        }
    }

    /// Syncs the file and gives it its name; after a failure the destination is as it was.
    ///
    /// - Parameter replacing: whether a file of that name may be there; else it stays, and the error's number is
    ///   `EEXIST`.
    /// - Throws: ``AtomicFileError``.
    package consuming func commit(replacing: Bool = true) throws(AtomicFileError) {
        guard let temporary else { return }
        try synchronize()
        if replacing, hasOtherNames { return try copyOver() }
        guard (replacing ? rename(temporary, destination) : link(temporary, destination)) == 0 else {
            if replacing, errno == EBUSY { return try copyOver() }  // it is mounted
            throw failure(.rename)
        }
        try Self.synchronizeFolder(of: destination, reportedAs: path)
    }

    /// Makes the bytes durable.
    func synchronize() throws(AtomicFileError) {
        guard fsync(descriptor) == 0 else { throw failure(.synchronize) }
    }

    /// Writes `bytes` to the file at `path`, which is replaced if it exists.
    /// - Throws: ``AtomicFileError``. No temporary file is left behind.
    package static func write(_ bytes: [UInt8], to path: String) throws(AtomicFileError) {
        let file = try AtomicFile(path: path)
        try file.write(bytes)
        try file.commit()
    }

    private static func open(_ path: String) throws(AtomicFileError) -> (String, String?, Int32, Bool) {
        func failure(_ code: Int32) -> AtomicFileError { AtomicFileError(path: path, step: .open, errno: code) }
        guard !path.isEmpty else { throw failure(ENOENT) }
        guard !path.utf8.contains(0) else { throw failure(EINVAL) }
        // Other errors than a missing file show again below.
        var target = stat()
        let kind = stat(path, &target) == 0 ? target.st_mode & S_IFMT : S_IFREG
        guard kind != S_IFDIR else { throw failure(EISDIR) }
        guard kind == S_IFREG else {
            let descriptor = systemOpen(path, O_WRONLY | O_CLOEXEC, 0)
            guard descriptor >= 0 else { throw failure(errno) }
            return (path, nil, descriptor, false)
        }
        let destination = try resolved(path)
        var found = stat()
        let isThere = lstat(destination, &found) == 0
        guard isThere || errno == ENOENT else { throw failure(errno) }
        guard !destination.hasSuffix("/") else { throw failure(EISDIR) }
        let hasOtherNames = isThere && found.st_nlink > 1
        guard !hasOtherNames || access(destination, W_OK) == 0 else { throw failure(errno) }
        let (temporary, descriptor) = try openTemporary(
            beside: destination, mode: isThere ? 0o600 : 0o666, reportedAs: path)
        if isThere {
            // The owner first, since a change of it takes set-user-ID bits away.
            if fchown(descriptor, found.st_uid, found.st_gid) != 0 {
                _ = fchown(descriptor, uid_t.max, found.st_gid)
            }
            _ = fchmod(descriptor, found.st_mode & 0o7777)
        }
        return (destination, temporary, descriptor, hasOtherNames)
    }

    /// Finds out before long work whether a file could be written now.
    /// - Throws: ``AtomicFileError``.
    package static func check(_ path: String) throws(AtomicFileError) {
        if let kind = FileKind(path: path), kind != .file, kind != .folder {
            // A pipe would be waited for.
            guard access(path, W_OK) == 0 else { throw AtomicFileError(path: path, step: .open, errno: errno) }
        } else {
            _ = try AtomicFile(path: path)  // dropped uncommitted
        }
    }

    /// Where a path's symbolic links lead, whether or not something is there.
    private static func resolved(_ path: String) throws(AtomicFileError) -> String {
        var place = path
        for _ in 0..<40 {
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = readlink(place, &target, target.count)
            guard length >= 0 else { return place }  // no link; another error shows where it is opened
            guard let link = String(validating: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) else {
                throw AtomicFileError(path: path, step: .open, errno: EILSEQ)
            }
            place = link.hasPrefix("/") ? link : folder(of: place) + link
        }
        throw AtomicFileError(path: path, step: .open, errno: ELOOP)
    }

    /// Copies the temporary file's bytes over those of the destination.
    private borrowing func copyOver() throws(AtomicFileError) {
        let target = systemOpen(destination, O_WRONLY | O_CLOEXEC, 0)
        guard target >= 0 else { throw failure(.open) }
        defer { close(target) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset = 0
        while true {
            let count = pread(descriptor, &buffer, buffer.count, off_t(offset))
            guard count >= 0 else { throw failure(.write) }
            if count == 0 { break }
            var written = 0
            while written < count {
                let more = buffer.withUnsafeBytes {
                    pwrite(target, $0.baseAddress! + written, count - written, off_t(offset + written))
                }
                guard more > 0 else { throw failure(.write) }
                written += more
            }
            offset += count
        }
        guard ftruncate(target, off_t(offset)) == 0, fsync(target) == 0 else { throw failure(.synchronize) }
    }

    static func temporaryName(beside destination: String) -> String {
        folder(of: destination) + ".tmp-" + String(UInt64.random(in: .min ... .max), radix: 36)
    }

    /// A new file whose name does not contain the final one, which may be as long as the file system allows.
    private static func openTemporary(
        beside destination: String, mode: mode_t, reportedAs path: String
    ) throws(AtomicFileError) -> (String, Int32) {
        for _ in 0..<16 {
            let temporary = temporaryName(beside: destination)
            let descriptor = systemOpen(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
            if descriptor >= 0 { return (temporary, descriptor) }
            if errno != EEXIST && errno != EINTR { break }
        }
        throw AtomicFileError(path: path, step: .open, errno: errno)
    }

    /// Makes the new name durable, where the file system can: not all allow it, and a folder may be writable without
    /// being readable.
    static func synchronizeFolder(of path: String, reportedAs name: String? = nil) throws(AtomicFileError) {
        let folder = systemOpen(Self.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard folder >= 0 else { return }
        defer { close(folder) }
        guard fsync(folder) == 0 || errno == EINVAL else {
            throw AtomicFileError(path: name ?? path, step: .synchronizeDirectory, errno: errno)
        }
    }

    /// The folder of `path`, with its slash.
    private static func folder(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "./" }
        return String(path[...slash])
    }

    private func failure(_ step: AtomicFileError.Step) -> AtomicFileError {
        AtomicFileError(path: path, step: step, errno: errno)
    }
}

/// Why a file could not be written: which one, at which step, and the system's reason. Unless the step says otherwise,
/// what was there before is untouched.
package struct AtomicFileError: Error, Sendable, Equatable {
    package enum Step: String, Sendable {
        /// Opening the file, or a temporary one beside it.
        case open
        case write
        case synchronize
        /// Giving the finished file its name.
        case rename
        /// Making the name durable. The new file is in place.
        case synchronizeDirectory = "synchronize the directory of"
    }

    package let path: String
    package let step: Step
    /// The system's error number.
    package let errno: Int32

    package init(path: String, step: Step, errno: Int32) {
        self.path = path
        self.step = step
        self.errno = errno
    }
}

extension AtomicFileError: CustomStringConvertible {
    /// The system's reason; where it says less than is known, what to do.
    package var reason: String {
        switch (step, errno) {
        case (.open, ENOENT) where path.isEmpty: "its name is empty; name a file"
        case (.open, ENOENT): "its folder does not exist; make it first"
        case (.open, EISDIR): "it is a folder; name a file"
        default: String(cString: strerror(errno))
        }
    }

    /// One line with the path, the step and the reason.
    package var description: String { "cannot \(step.rawValue) \(path): \(reason)" }
}

// MARK: - The system's calls, which a type's own methods hide

private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
    open(path, flags, mode)
}

func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}
