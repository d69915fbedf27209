// Archives made on the spot, right or wrong in one chosen way.

@testable import PixelCNNModel

/// A stored ZIP archive; each entry's fields can be falsified.
struct ZIPBuilder {
    struct Entry {
        var name: String
        var data: [UInt8]
        var method: UInt16 = 0
        var flags: UInt16 = 0
        /// What the directory claims, where it is not the truth.
        var claimedSize: UInt32?
        var claimedOriginalSize: UInt32?
        var claimedOffset: UInt32?
        var localName: String?
        /// Whether sizes and offset are in a ZIP64 field.
        var wide = false
    }

    var entries: [Entry] = []
    var wideEnd = false
    var claimedCount: Int?
    var comment: [UInt8] = []

    init(_ entries: [(String, [UInt8])] = []) { self.entries = entries.map { Entry(name: $0, data: $1) } }

    /// The entries of a fixture, to be changed and written again.
    init(fixture: String) throws {
        let file = try ModelFile(path: Fixture.path(fixture))
        let archive = try ZIPArchive(file)
        let names = archive.entries.sorted { $0.value.lowerBound < $1.value.lowerBound }.map(\.key)
        self.init(names.map { ($0, archive[$0].map { [UInt8]($0) } ?? []) })
    }

    /// The entry whose name ends so.
    subscript(suffix: String) -> Entry {
        get { entries.first { $0.name.hasSuffix(suffix) } ?? Entry(name: "none", data: []) }
        set { entries = entries.map { $0.name.hasSuffix(suffix) ? newValue : $0 } }
    }

    mutating func remove(_ suffix: String) { entries.removeAll { $0.name.hasSuffix(suffix) } }

    func bytes() -> [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let offset = file.count
            let name = [UInt8](entry.name.utf8)
            let localName = [UInt8]((entry.localName ?? entry.name).utf8)
            file.appendLittleEndian(UInt32(0x0403_4b50))
            file += [UInt8](repeating: 0, count: 22)
            file.appendLittleEndian(UInt16(localName.count))
            file.appendLittleEndian(UInt16(0))
            file += localName + entry.data

            let size = entry.claimedSize ?? UInt32(entry.data.count)
            directory.appendLittleEndian(UInt32(0x0201_4b50))
            directory += [0, 0, 0, 0]
            directory.appendLittleEndian(entry.flags)
            directory.appendLittleEndian(entry.method)
            directory += [UInt8](repeating: 0, count: 8)
            directory.appendLittleEndian(entry.wide ? .max : size)
            directory.appendLittleEndian(entry.wide ? .max : entry.claimedOriginalSize ?? size)
            directory.appendLittleEndian(UInt16(name.count))
            directory.appendLittleEndian(UInt16(entry.wide ? 28 : 0))
            directory += [UInt8](repeating: 0, count: 10)
            directory.appendLittleEndian(entry.wide ? .max : entry.claimedOffset ?? UInt32(offset))
            directory += name
            if entry.wide {
                directory.appendLittleEndian(UInt16(1))
                directory.appendLittleEndian(UInt16(24))
                for value in [Int(size), Int(size), offset] { directory.appendLittleEndian(UInt64(value)) }
            }
        }
        return file + directory + end(start: file.count, size: directory.count)
    }

    private func end(start: Int, size: Int) -> [UInt8] {
        let count = claimedCount ?? entries.count
        var end: [UInt8] = []
        if wideEnd {
            end.appendLittleEndian(UInt32(0x0606_4b50))
            end.appendLittleEndian(UInt64(44))
            end += [UInt8](repeating: 0, count: 12)
            for value in [count, count, size, start] { end.appendLittleEndian(UInt64(value)) }
            end.appendLittleEndian(UInt32(0x0706_4b50))
            end.appendLittleEndian(UInt32(0))
            end.appendLittleEndian(UInt64(start + size))
            end.appendLittleEndian(UInt32(1))
        }
        end.appendLittleEndian(UInt32(0x0605_4b50))
        end += [0, 0, 0, 0]
        end.appendLittleEndian(wideEnd ? .max : UInt16(count))
        end.appendLittleEndian(wideEnd ? .max : UInt16(count))
        end.appendLittleEndian(wideEnd ? .max : UInt32(size))
        end.appendLittleEndian(wideEnd ? .max : UInt32(start))
        end.appendLittleEndian(UInt16(comment.count))
        return end + comment
    }
}
