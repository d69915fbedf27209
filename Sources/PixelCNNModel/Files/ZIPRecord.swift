// An entry of a ZIP archive's central directory, and the local header it points to. Only stored, unencrypted entries
// whose two headers agree.

/// One entry of the central directory.
struct ZIPRecord {
    let name: String
    let size: UInt64
    let headerOffset: UInt64
    /// Offset of the next record.
    let end: Int

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int, limit: Int, number: Int) throws(ZIPError) {
        guard limit - offset >= 46, bytes.littleEndian(at: offset, as: UInt32.self) == 0x0201_4b50,
            let flags = bytes.littleEndian(at: offset + 8, as: UInt16.self),
            let method = bytes.littleEndian(at: offset + 10, as: UInt16.self),
            let storedSize = bytes.littleEndian(at: offset + 20, as: UInt32.self),
            let originalSize = bytes.littleEndian(at: offset + 24, as: UInt32.self),
            let nameLength = bytes.littleEndian(at: offset + 28, as: UInt16.self),
            let extraLength = bytes.littleEndian(at: offset + 30, as: UInt16.self),
            let commentLength = bytes.littleEndian(at: offset + 32, as: UInt16.self),
            let start = bytes.littleEndian(at: offset + 42, as: UInt32.self)
        else { throw .damagedDirectory(entryNumber: number) }
        let nameStart = offset + 46
        let extra = nameStart + Int(nameLength)..<nameStart + Int(nameLength) + Int(extraLength)
        end = extra.upperBound + Int(commentLength)
        guard end <= limit else { throw .damagedDirectory(entryNumber: number) }
        guard let name = String(validating: bytes[nameStart..<extra.lowerBound], as: UTF8.self) else {
            throw .nameNotUTF8(entryNumber: number)
        }
        guard flags & 0x2041 == 0 else { throw .encryptedEntry(name) }  // encrypted, strongly so, or header masked
        guard method == 0 else { throw .compressedEntry(name, method: Int(method)) }

        // ZIP64: fields that read all ones continue in the extra field, in this order.
        var wide = Self.zip64Fields(bytes, extra)
        func value(_ narrow: UInt32) throws(ZIPError) -> UInt64 {
            guard narrow == .max else { return UInt64(narrow) }
            guard let field = wide.first else { throw .damagedDirectory(entryNumber: number) }
            wide.removeFirst()
            return field
        }
        let original = try value(originalSize)
        let stored = try value(storedSize)
        headerOffset = try value(start)
        guard stored == original else { throw .sizeMismatch(name, stored: stored, original: original) }
        self.name = name
        size = stored
    }

    /// Where the entry lies: its local header's start, and its data, both before `limit`.
    func span(in bytes: UnsafeRawBufferPointer, limit: Int) throws(ZIPError) -> (start: Int, data: Range<Int>) {
        guard let start = Int(exactly: headerOffset), let size = Int(exactly: size), start <= limit else {
            throw .entryOutOfRange(name)
        }
        guard bytes.littleEndian(at: start, as: UInt32.self) == 0x0403_4b50,
            let nameLength = bytes.littleEndian(at: start + 26, as: UInt16.self),
            let extraLength = bytes.littleEndian(at: start + 28, as: UInt16.self)
        else { throw .localHeaderMismatch(name) }
        let nameRange = start + 30..<start + 30 + Int(nameLength)
        guard nameRange.upperBound <= bytes.count, bytes[nameRange].elementsEqual(name.utf8) else {
            throw .localHeaderMismatch(name)
        }
        let dataStart = nameRange.upperBound + Int(extraLength)
        guard dataStart <= limit, size <= limit - dataStart else { throw .entryOutOfRange(name) }
        return (start, dataStart..<dataStart + size)
    }

    /// The 64-bit numbers of the ZIP64 extra field, at most three; none where there is no such field.
    private static func zip64Fields(_ bytes: UnsafeRawBufferPointer, _ extra: Range<Int>) -> [UInt64] {
        var offset = extra.lowerBound
        while extra.upperBound - offset >= 4, let id = bytes.littleEndian(at: offset, as: UInt16.self),
            let length = bytes.littleEndian(at: offset + 2, as: UInt16.self)
        {
            let body = offset + 4
            guard extra.upperBound - body >= Int(length) else { return [] }
            if id == 1 {
                return (0..<min(Int(length) / 8, 3)).compactMap {
                    bytes.littleEndian(at: body + 8 * $0, as: UInt64.self)
                }
            }
            offset = body + Int(length)
        }
        return []
    }
}
