// A file of which only the wanted bytes are read, so that it may be larger than memory.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package final class OpenFile {
    package let path: String
    package let byteCount: Int
    private let descriptor: CInt
    /// All bytes of what is no plain file, such as a pipe: it can be read only once.
    private let whole: [UInt8]?

    /// Opens a file.
    ///
    /// - Throws: ``Failure``: there is none (66), or it cannot be read (65).
    package convenience init(_ path: String) throws(Failure) { try self.init(path, isRegular: false) }

    /// Opens a file that must be a plain one: a pipe would be waited for, and a device may have no end.
    ///
    /// - Throws: ``Failure``: there is none (66), it is something else, or cannot be read (65).
    package convenience init(regular path: String) throws(Failure) { try self.init(path, isRegular: true) }

    private init(_ path: String, isRegular: Bool) throws(Failure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | (isRegular ? O_NONBLOCK : 0))
        guard descriptor >= 0 else { throw OpenFile.failure(path, errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            defer { close(descriptor) }
            throw OpenFile.failure(path, errno)
        }
        if isRegular, status.st_mode & S_IFMT != S_IFREG {
            close(descriptor)
            throw Failure(.dataError, "\(path) is \(FileKind(status).name), and must be a file")
        }
        self.path = path
        self.descriptor = descriptor
        if status.st_mode & S_IFMT == S_IFREG {
            byteCount = Int(status.st_size)
            whole = nil
            return
        }
        do {
            let whole = try OpenFile.bytes(path) { buffer, _ in read(descriptor, buffer.baseAddress, buffer.count) }
            byteCount = whole.count
            self.whole = whole
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// What standard input has, to its end; it can be read only once.
    ///
    /// - Throws: ``Failure``: it is a terminal (64), or cannot be read (65).
    package static func standardInput() throws(Failure) -> OpenFile {
        guard isatty(STDIN_FILENO) == 0 else {
            throw Failure(.usage, "standard input is a terminal: redirect it, or name a file")
        }
        let name = "standard input"
        let bytes = try bytes(name) { buffer, _ in read(STDIN_FILENO, buffer.baseAddress, buffer.count) }
        return OpenFile(name, contents: bytes)
    }

    /// A file whose bytes are in memory, such as one that lay in an archive.
    package init(_ path: String, contents: [UInt8]) {
        self.path = path
        byteCount = contents.count
        descriptor = -1
        whole = contents
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether it can be opened again.
    package var isPlain: Bool { whole == nil }

    /// The bytes in a range, fewer where the file ends.
    ///
    /// - Throws: ``Failure`` (65).
    package func bytes(_ range: Range<Int>) throws(Failure) -> [UInt8] {
        if let whole { return Array(whole[range.clamped(to: 0..<whole.count)]) }
        let descriptor = self.descriptor
        return try Self.bytes(path, most: range.count) { buffer, offset in
            pread(descriptor, buffer.baseAddress, buffer.count, off_t(range.lowerBound + offset))
        }
    }

    /// The bytes that `next` reads until the end, or until there are `most`.
    private static func bytes(
        _ path: String, most: Int = .max, _ next: (UnsafeMutableRawBufferPointer, _ offset: Int) -> Int
    ) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(most, 1 << 16))
        var count = 0
        while count < most {
            if count == bytes.count { bytes += [UInt8](repeating: 0, count: min(most, 2 * count) - count) }
            let got = bytes.withUnsafeMutableBytes { next(.init(rebasing: $0[count...]), count) }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw Self.failure(path, errno) }
            if got == 0 { break }
            count += got
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    private static func failure(_ path: String, _ code: CInt) -> Failure {
        Failure(code == ENOENT ? .noInput : .dataError, "cannot read \(path): \(String(cString: strerror(code)))")
    }
}

/// What a path leads to.
package enum FileKind {
    case file, folder, pipe, socket, device

    /// What a path leads to, links followed; nil where it leads nowhere.
    package init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    /// What a descriptor is open on; nil where it is not open.
    package init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    fileprivate init(_ status: stat) {
        self =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFIFO: .pipe
            case S_IFSOCK: .socket
            default: .device
            }
    }

    /// With its article.
    package var name: String { self == .file ? "a file" : self == .folder ? "a folder" : "a \(self)" }
}
