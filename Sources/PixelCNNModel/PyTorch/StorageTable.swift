// Where the storages of a PyTorch file lie in the mapped file, whichever form the file has.

/// Byte ranges of the storages, each inside the file, no two sharing a byte.
struct StorageTable {
    let file: MappedFile
    /// What stands before a storage's key in `ranges`, and in messages.
    let prefix: String
    let ranges: [String: Range<Int>]
}
