// A file mapped read-only, unmapped with its last user. Tensors are windows on it, so loading a model copies nothing.
//
// Replace model files by renaming, as every writer here does: truncating a mapped file in place makes the next access
// to it a fault, in any program.

import Glibc

/// The bytes of a regular, non-empty file.
final class MappedFile: @unchecked Sendable {  // immutable after init; the kernel keeps the pages
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
            throw ModelFileError(file: path, .notReadable(reason: "not a regular file"))
        }
        let size = Int(status.st_size)
        guard size > 0 else { throw ModelFileError(file: path, .empty) }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw ModelFileError(file: path, .notReadable(reason: SystemError.text(errno)))
        }
        self.path = path
        bytes = UnsafeRawBufferPointer(start: address, count: size)
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

extension UnsafeRawBufferPointer {
    /// The integer at `offset`, or nil where it is not wholly inside the buffer.
    func littleEndian<T: FixedWidthInteger>(at offset: Int, as type: T.Type = T.self) -> T? {
        guard offset >= 0, offset <= count, count - offset >= MemoryLayout<T>.size else { return nil }
        return T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
