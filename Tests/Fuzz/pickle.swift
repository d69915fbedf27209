// A pickle inside an archive that is right: what lies beyond ZIP is reached at once. The archive has storages "0" of 64
// bytes, "1" of 16 and "2" of none for the pickle's tensors to refer to.

private let file = MemoryFile()

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let numbers = (0..<64).map { UInt8($0) }
    let archive = storedArchive([
        ("a/data.pkl", Array(fuzzBytes(start, count))), ("a/data/0", numbers), ("a/data/1", Array(numbers[..<16])),
        ("a/data/2", []),
    ])
    archive.withUnsafeBytes { file.write($0) }
    load(path: file.path)
    return 0
}

/// A ZIP archive of stored entries, with no more in its headers than the reader looks at.
private func storedArchive(_ entries: [(name: String, data: [UInt8])]) -> [UInt8] {
    var archive: [UInt8] = []
    var directory: [UInt8] = []
    for (name, data) in entries {
        let offset = archive.count
        archive += integer(UInt32(0x0403_4b50)) + zeros(22) + integer(UInt16(name.utf8.count)) + zeros(2)
        archive += Array(name.utf8) + data
        directory += integer(UInt32(0x0201_4b50)) + zeros(16)
        directory += integer(UInt32(data.count)) + integer(UInt32(data.count))
        directory += integer(UInt16(name.utf8.count)) + zeros(12) + integer(UInt32(offset)) + Array(name.utf8)
    }
    let count = integer(UInt16(entries.count))
    let end = integer(UInt32(0x0605_4b50)) + zeros(4) + count + count
    return archive + directory + end + integer(UInt32(directory.count)) + integer(UInt32(archive.count)) + zeros(2)
}

private func integer<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

private func zeros(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }
