// A file read into memory of its own, which goes with its last user. Tensors are windows on it, so nothing is copied a
// second time. To map the file would take a quarter of the time and as much memory at the peak, but a file that is cut
// short in place ends any program that reads its mapping. Costs the file's size in memory, and 0.5 s per gigabyte.

import Glibc

/// The bytes of a regular, non-empty file.
final class ModelFile: @unchecked Sendable {  // immutable after init
    /// Bytes per system call: while one is under way, the kernel may have to wait for a disk.
    private static let pieceSize = 8 << 20

    let path: String
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws(ModelFileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // non-blocking: a pipe must not hold us up
        guard descriptor >= 0 else {
            let code = errno
            let missing = code == ENOENT || code == ENOTDIR
            throw ModelFileError(file: path, missing ? .noSuchFile : .notReadable(reason: SystemError.text(code)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw ModelFileError(file: path, .notReadable(reason: SystemError.text(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            throw ModelFileError(
                file: path, .notReadable(reason: isFolder ? ForeignFile.folder(path) : "not a regular file"))
        }
        let size = Int(status.st_size)
        guard size > 0 else { throw ModelFileError(file: path, .empty) }
        let (protection, flags) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
        guard let address = mmap(nil, size, protection, flags, -1, 0), address != MAP_FAILED else {
            throw ModelFileError(file: path, .notReadable(reason: "\(size) bytes: \(SystemError.text(errno))"))
        }
        madvise(address, size, MADV_HUGEPAGE)  // or half of the time goes into pages of 4 KiB
        let memory = UnsafeMutableRawBufferPointer(start: address, count: size)
        self.path = path
        bytes = UnsafeRawBufferPointer(memory)
        do throws(ModelFileError.Problem) {
            try Self.read(descriptor, into: memory)
        } catch {
            throw ModelFileError(file: path, error)  // deinit gives the memory back
        }
    }

    private static func read(
        _ descriptor: CInt, into memory: UnsafeMutableRawBufferPointer
    ) throws(ModelFileError.Problem) {
        var offset = 0
        while offset < memory.count {
            let piece = UnsafeMutableRawBufferPointer(rebasing: memory[offset...].prefix(pieceSize))
            let count = pread(descriptor, piece.baseAddress, piece.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .notReadable(reason: SystemError.text(errno)) }
            guard count > 0 else { throw .cutShort(bytes: offset, of: memory.count) }
            offset += count
        }
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }
}

/// What the system calls an error number, as a person reads it.
private enum SystemError {
    static func text(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "system error \(code)" }  // per thread since glibc 2.32
        return String(cString: text)
    }
}
