// The end of a ZIP archive: one record, or with ZIP64 three, that say where the central directory lies. The directory
// must reach exactly to them, so that nothing can be appended to an archive unnoticed.

/// Where the central directory lies, from the end records.
struct ZIPDirectory {
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
