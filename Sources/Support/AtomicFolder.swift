// A folder of files that appears whole or not at all: filled beside its destination, every file synced, and renamed.
// Costs one fsync per file and two more.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder being filled under a temporary name beside its destination. Dropped uncommitted, it leaves no trace.
package struct AtomicFolder: ~Copyable {
    private let path: String
    private let temporary: String

    /// Makes the temporary folder; the destination stays as it is until ``commit()``.
    ///
    /// - Parameter path: the destination, without a slash at its end.
    /// - Throws: ``AtomicFileError``.
    package init(path: String) throws(AtomicFileError) {
        let temporary = AtomicFile.temporaryName(beside: path)
        guard mkdir(temporary, 0o777) == 0 else { throw AtomicFileError(path: path, step: .open, errno: errno) }
        self.path = path
        self.temporary = temporary
    }

    deinit { Self.remove(temporary) }  // gone already where it was renamed

    /// Adds a file.
    /// - Throws: ``AtomicFileError``.
    package func write(_ bytes: [UInt8], to name: String) throws(AtomicFileError) {
        let file = try AtomicFile(creating: "\(temporary)/\(name)", reportedAs: "\(path)/\(name)")
        try file.write(bytes)
        try file.synchronize()
    }

    /// Gives the folder its name; one of that name that is there goes, with its files.
    /// - Throws: ``AtomicFileError``.
    package consuming func commit() throws(AtomicFileError) {
        try AtomicFile.synchronizeFolder(of: "\(temporary)/", reportedAs: path)
        var aside: [String] = []
        defer { for folder in aside { Self.remove(folder) } }
        while rename(temporary, path) != 0 {
            // A folder replaces an empty one only: what is there is put aside. Others may put theirs there meanwhile.
            guard errno == ENOTEMPTY || errno == EEXIST, aside.count < 16 else {
                let error = failure(.rename)
                if let last = aside.last, rename(last, path) == 0 { aside.removeLast() }  // it was there, and stays
                throw error
            }
            let name = AtomicFile.temporaryName(beside: path)
            guard rename(path, name) == 0 || errno == ENOENT else { throw failure(.rename) }
            aside.append(name)
        }
        try AtomicFile.synchronizeFolder(of: path)
    }

    private func failure(_ step: AtomicFileError.Step) -> AtomicFileError {
        AtomicFileError(path: path, step: step, errno: errno)
    }

    /// Removes a folder of files.
    private static func remove(_ folder: String) {
        guard let stream = opendir(folder) else { return }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            names.append(name)
        }
        closedir(stream)
        for name in names { unlink("\(folder)/\(name)") }  // not . and ..
        rmdir(folder)
    }
}
