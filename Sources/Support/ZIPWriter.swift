// The headers of a ZIP archive of stored entries whose sizes are known: whoever writes the archive puts an entry's
// bytes between them. ZIP64 is used where an entry or its place exceeds 4 GB, else not. No times, so the same entries
// give the same archive.

import CZlib

/// Makes the headers of an archive's entries, in their order, and its directory.
package struct ZIPWriter {
    /// An entry's bytes begin at a multiple of this, so that they can be mapped.
    private let alignment: Int
    private var directory: [UInt8] = []
    private var entries = 0
    /// Bytes of the archive so far.
    package private(set) var byteCount = 0

    package init(alignment: Int = 1) { self.alignment = alignment }

    /// CRC-32 of an entry's bytes, in pieces: 0 before the first.
    package static func checksum(_ checksum: UInt32, _ bytes: [UInt8]) -> UInt32 {
        if bytes.isEmpty { return checksum }  // zlib takes no bytes at all for a new beginning
        return UInt32(bytes.withUnsafeBufferPointer { crc32_z(UInt(checksum), $0.baseAddress, $0.count) })
    }

    /// The header of the next entry, which its `count` bytes must follow.
    package mutating func header(_ name: String, count: Int, checksum: UInt32) -> [UInt8] {
        let start = byteCount
        let isWide = max(count, start) >= Int(UInt32.max)
        // Version 2.0, or 4.5 for ZIP64; no flags, stored, no time and the first possible date.
        var common: [UInt8] = [isWide ? 45 : 20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]
        Self.append(checksum, to: &common)
        for _ in 0..<2 { Self.append(isWide ? .max : UInt32(count), to: &common) }
        Self.append(UInt16(name.utf8.count), to: &common)
        var sizes: [UInt8] = []  // ZIP64's field, without its length
        if isWide { for _ in 0..<2 { Self.append(UInt64(count), to: &sizes) } }

        var header = Array("PK".utf8) + [3, 4] + common
        let extra = Self.wideField(sizes)
        // PyTorch pads in an extra field of its own, "FB".
        let end = start + header.count + 2 + name.utf8.count + extra.count
        let padding = alignment > 1 ? -(end + 4) & (alignment - 1) : 0
        Self.append(UInt16(extra.count + (alignment > 1 ? 4 + padding : 0)), to: &header)
        header += Array(name.utf8) + extra
        if alignment > 1 {
            header += "FB".utf8
            Self.append(UInt16(padding), to: &header)
            header += repeatElement(UInt8(ascii: "Z"), count: padding)
        }

        if isWide { Self.append(UInt64(start), to: &sizes) }
        directory += Array("PK".utf8) + [1, 2, isWide ? 45 : 20, 0] + common
        let directoryExtra = Self.wideField(sizes)
        Self.append(UInt16(directoryExtra.count), to: &directory)
        directory += [UInt8](repeating: 0, count: 10)
        Self.append(isWide ? .max : UInt32(start), to: &directory)
        directory += Array(name.utf8) + directoryExtra
        byteCount += header.count + count
        entries += 1
        return header
    }

    /// The archive's end, after all entries.
    package func end() -> [UInt8] {
        let isWide = byteCount >= Int(UInt32.max)
        var end = directory
        if isWide {
            end += Array("PK".utf8) + [6, 6]
            Self.append(UInt64(44), to: &end)
            end += [45, 0, 45, 0] + [UInt8](repeating: 0, count: 8)
            for number in [entries, entries, directory.count, byteCount] { Self.append(UInt64(number), to: &end) }
            end += Array("PK".utf8) + [6, 7, 0, 0, 0, 0]
            Self.append(UInt64(byteCount + directory.count), to: &end)
            Self.append(UInt32(1), to: &end)
        }
        end += Array("PK".utf8) + [5, 6, 0, 0, 0, 0]
        for _ in 0..<2 { Self.append(UInt16(entries), to: &end) }
        Self.append(UInt32(directory.count), to: &end)
        Self.append(isWide ? .max : UInt32(byteCount), to: &end)
        return end + [0, 0]
    }

    /// ZIP64's extra field; none where there is nothing for it.
    private static func wideField(_ values: [UInt8]) -> [UInt8] {
        guard !values.isEmpty else { return [] }
        var field: [UInt8] = [1, 0]
        append(UInt16(values.count), to: &field)
        return field + values
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
