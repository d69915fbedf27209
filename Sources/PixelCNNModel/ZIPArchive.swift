// The entries of a PyTorch file's archive by name. PyTorch stores them uncompressed, so that tensors are windows on the
// file's bytes; an archive that someone has packed again is refused.

import Support

/// Stored entries by name; each range is inside the file and shares no byte with another entry.
struct ZIPArchive {
    let file: ModelFile
    let entries: [String: Range<Int>]

    init(_ file: ModelFile) throws(ZIPError) {
        var entries: [String: Range<Int>] = [:]
        for entry in try ZIPDirectory(file.bytes).entries {
            guard entry.method == 0 else { throw .compressedEntry(entry.name, method: entry.method) }
            entries[entry.name] = entry.data
        }
        self.file = file
        self.entries = entries
    }

    /// The bytes of an entry, or nil where there is none of that name.
    subscript(name: String) -> UnsafeRawBufferPointer? {
        entries[name].map { UnsafeRawBufferPointer(rebasing: file.bytes[$0]) }
    }
}
