// Writes a ZIP archive of stored entries below 4 GB, as PyTorch lays them out: all in one folder, each entry's bytes at
// a multiple of 64, so that they can be mapped. No times, so the same entries give the same archive.

import CZlib
import Support

struct ZIPWriter {
    private let folder: String
    private var directory: [UInt8] = []
    private var entries = 0
    private var offset = 0

    /// Where entries' bytes start.
    private static let alignment = 64

    init(folder: String) { self.folder = folder }

    /// Appends an entry.
    mutating func add(
        _ name: String, _ bytes: [UInt8], to file: borrowing AtomicFile
    ) throws(AtomicFileError) {
        let path = Array("\(folder)/\(name)".utf8)
        // Version 2.0, no flags, stored, no time and the first possible date; checksum and twice the size.
        var common: [UInt8] = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]
        Self.append(UInt32(bytes.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) }), to: &common)
        for _ in 0..<2 { Self.append(UInt32(bytes.count), to: &common) }
        Self.append(UInt16(path.count), to: &common)

        // PyTorch pads in an extra field of its own, "FB".
        let start = offset + 30 + path.count + 4
        let padding = -start & (Self.alignment - 1)
        var header = Array("PK".utf8) + [3, 4] + common
        Self.append(UInt16(4 + padding), to: &header)
        header += path + Array("FB".utf8)
        Self.append(UInt16(padding), to: &header)
        header += repeatElement(UInt8(ascii: "Z"), count: padding)

        directory += Array("PK".utf8) + [1, 2, 20, 0] + common + [UInt8](repeating: 0, count: 12)
        Self.append(UInt32(offset), to: &directory)
        directory += path
        try file.write(header)
        try file.write(bytes)
        offset += header.count + bytes.count
        entries += 1
    }

    /// Appends the directory.
    mutating func finish(to file: borrowing AtomicFile) throws(AtomicFileError) {
        var end = Array("PK".utf8) + [5, 6, 0, 0, 0, 0]
        for _ in 0..<2 { Self.append(UInt16(entries), to: &end) }
        Self.append(UInt32(directory.count), to: &end)
        Self.append(UInt32(offset), to: &end)
        try file.write(directory + end + [0, 0])
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
