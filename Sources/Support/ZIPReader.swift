// The directory of a ZIP archive, ZIP64 included: where each entry's bytes lie, of model files and NumPy's containers.
//
// Costs one pass over the directory. Sizes come from the central directory, never from local headers, which streaming
// writers leave empty. CRC-32 is not verified here: PyTorch can be told not to compute it, and then writes a wrong one.
// Nothing is decompressed.

/// The entries of an archive, in its directory's order; each range is inside the file and shares no byte with another
/// entry, and no two have the same name.
package struct ZIPDirectory: Sendable {
    /// One entry.
    package struct Entry: Sendable {
        /// Its name, a path.
        package let name: String
        /// How its bytes are compressed: 0 stored, 8 deflated.
        package let method: Int
        /// Its bytes in the archive, perhaps compressed.
        package let data: Range<Int>
        /// How many bytes it has once decompressed, as the directory claims.
        package let byteCount: UInt64
        /// CRC-32 of the decompressed bytes, as the directory claims.
        package let checksum: UInt32
    }
    package let entries: [Entry]

    /// Reads the directory of the archive in `bytes`.
    package init(_ bytes: UnsafeRawBufferPointer) throws(ZIPError) {
        let place = try ZIPPlace(bytes)
        var entries: [Entry] = []
        var names: Set<String> = []
        var spans: [(name: String, range: Range<Int>)] = []
        var offset = place.range.lowerBound
        for number in 0..<place.entryCount {
            let record = try ZIPRecord(bytes, at: offset, limit: place.range.upperBound, number: number)
            offset = record.end
            let whole = try record.span(in: bytes, limit: place.range.lowerBound)
            guard names.insert(record.name).inserted else { throw .duplicateEntry(record.name) }
            entries.append(
                Entry(
                    name: record.name, method: record.method, data: whole.data, byteCount: record.originalSize,
                    checksum: record.checksum))
            spans.append((record.name, whole.start..<whole.data.upperBound))
        }
        guard offset == place.range.upperBound else { throw .damagedDirectory(entryNumber: place.entryCount) }
        spans.sort { $0.range.lowerBound < $1.range.lowerBound }
        for (first, second) in zip(spans, spans.dropFirst())
        where second.range.lowerBound < first.range.upperBound {
            throw .overlappingEntries(first.name, second.name)
        }
        self.entries = entries
    }
}

/// Where the central directory lies, from the end records.
private struct ZIPPlace {
    let range: Range<Int>
    let entryCount: Int

    init(_ bytes: UnsafeRawBufferPointer) throws(ZIPError) {
        let end = try Self.endRecord(bytes)
        var disks = [UInt32(bytes.littleEndian(at: end + 4, as: UInt16.self) ?? 0)]
        disks.append(UInt32(bytes.littleEndian(at: end + 6, as: UInt16.self) ?? 0))
        var count = UInt64(bytes.littleEndian(at: end + 10, as: UInt16.self) ?? 0)
        var size = UInt64(bytes.littleEndian(at: end + 12, as: UInt32.self) ?? 0)
        var start = UInt64(bytes.littleEndian(at: end + 16, as: UInt32.self) ?? 0)
        var limit = end  // the directory ends before its end records
        if bytes.littleEndian(at: end - 20, as: UInt32.self) == 0x0706_4b50 {
            guard let record = bytes.littleEndian(at: end - 12, as: UInt64.self).flatMap(Int.init(exactly:)),
                record <= end - 20 - 56, bytes.littleEndian(at: record, as: UInt32.self) == 0x0606_4b50,
                let disk = bytes.littleEndian(at: record + 16, as: UInt32.self),
                let startDisk = bytes.littleEndian(at: record + 20, as: UInt32.self),
                let wideCount = bytes.littleEndian(at: record + 32, as: UInt64.self),
                let wideSize = bytes.littleEndian(at: record + 40, as: UInt64.self),
                let wideStart = bytes.littleEndian(at: record + 48, as: UInt64.self)
            else { throw .damagedEndRecord }
            (disks, count, size, start, limit) = ([disk, startDisk], wideCount, wideSize, wideStart, record)
        }
        guard disks.allSatisfy({ $0 == 0 }) else { throw .multipleDisks }
        // Each entry takes at least 46 bytes, so a count beyond that is a lie, and no loop follows it.
        guard let lower = Int(exactly: start), let length = Int(exactly: size), lower <= limit,
            length == limit - lower, count <= UInt64(length / 46), let entryCount = Int(exactly: count)
        else { throw .damagedEndRecord }
        range = lower..<lower + length
        self.entryCount = entryCount
    }

    /// Offset of the end record: the last place whose signature and comment length fit the file's end.
    private static func endRecord(_ bytes: UnsafeRawBufferPointer) throws(ZIPError) -> Int {
        let last = bytes.count - 22
        for offset in stride(from: last, through: max(last - 0xffff, 0), by: -1)
        where bytes.littleEndian(at: offset, as: UInt32.self) == 0x0605_4b50 {
            if let comment = bytes.littleEndian(at: offset + 20, as: UInt16.self), Int(comment) == last - offset {
                return offset
            }
        }
        throw .noEndRecord
    }
}

/// One entry of the central directory.
private struct ZIPRecord {
    let name: String
    let method: Int
    let checksum: UInt32
    let size: UInt64
    let originalSize: UInt64
    let headerOffset: UInt64
    /// Offset of the next record.
    let end: Int

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int, limit: Int, number: Int) throws(ZIPError) {
        guard limit - offset >= 46, bytes.littleEndian(at: offset, as: UInt32.self) == 0x0201_4b50,
            let flags = bytes.littleEndian(at: offset + 8, as: UInt16.self),
            let method = bytes.littleEndian(at: offset + 10, as: UInt16.self),
            let checksum = bytes.littleEndian(at: offset + 16, as: UInt32.self),
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
        guard method != 0 || stored == original else { throw .sizeMismatch(name, stored: stored, original: original) }
        self.name = name
        self.method = Int(method)
        self.checksum = checksum
        size = stored
        self.originalSize = original
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

extension UnsafeRawBufferPointer {
    /// The integer at `offset`, or nil where it is not wholly inside the buffer.
    @inlinable package func littleEndian<T: FixedWidthInteger>(at offset: Int, as type: T.Type = T.self) -> T? {
        guard offset >= 0, offset <= count, count - offset >= MemoryLayout<T>.size else { return nil }
        return T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}

// MARK: - Errors

/// A ZIP archive this reader refuses.
package enum ZIPError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No end-of-central-directory record: the file is cut short, or has something appended.
    case noEndRecord
    /// The end records point outside the file or contradict each other.
    case damagedEndRecord
    /// The archive continues in another file.
    case multipleDisks
    /// The central directory ends in the middle of an entry, or has fewer or more entries than announced.
    case damagedDirectory(entryNumber: Int)
    /// An entry's name is not UTF-8.
    case nameNotUTF8(entryNumber: Int)
    /// Two entries have the same name.
    case duplicateEntry(String)
    /// The entry is compressed; PyTorch stores its entries as they are.
    case compressedEntry(String, method: Int)
    /// The entry is encrypted.
    case encryptedEntry(String)
    /// The local header is missing or names another entry.
    case localHeaderMismatch(String)
    /// Stored and original size of an uncompressed entry differ.
    case sizeMismatch(String, stored: UInt64, original: UInt64)
    /// The entry reaches outside the part of the file that holds entries.
    case entryOutOfRange(String)
    /// Two entries share bytes.
    case overlappingEntries(String, String)

    /// One line: entry, what was found, what to do.
    package var description: String {
        switch self {
        case .noEndRecord:
            "the ZIP archive has no end record: the file is cut short; copy or download it again"
        case .damagedEndRecord:
            "the ZIP archive's end record contradicts the file; copy or download it again"
        case .multipleDisks:
            "the ZIP archive is split over several files; join them, for example with zip -s 0"
        case .damagedDirectory(let number):
            "the ZIP archive's directory is damaged at entry \(number); copy or download the file again"
        case .nameNotUTF8(let number):
            "the name of ZIP entry \(number) is not UTF-8"
        case .duplicateEntry(let name):
            "the ZIP archive has two entries named \(quoted(name))"
        case .compressedEntry(let name, let method):
            "ZIP entry \(quoted(name)) is compressed (method \(method)); only stored entries, as torch.save writes, "
                + "are read: unpack the archive and pack it with zip -0"
        case .encryptedEntry(let name):
            "ZIP entry \(quoted(name)) is encrypted; unpack the archive with its password, then name the file in it"
        case .localHeaderMismatch(let name):
            "ZIP entry \(quoted(name)) has no header of that name where the directory says it starts; the file "
                + "is damaged: copy or download it again"
        case .sizeMismatch(let name, let stored, let original):
            "ZIP entry \(quoted(name)) takes \(stored) bytes but claims to be \(original) bytes, without compression; "
                + "the file is damaged: copy or download it again"
        case .entryOutOfRange(let name):
            "ZIP entry \(quoted(name)) reaches outside the archive; the file is cut short or damaged: "
                + "copy or download it again"
        case .overlappingEntries(let first, let second):
            "ZIP entries \(quoted(first)) and \(quoted(second)) overlap; the file is damaged: "
                + "copy or download it again"
        }
    }
}
