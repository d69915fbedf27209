// Archives that are written here, read by the reader here and by Python's; also past 4 GB, where the file is a hole.

import Foundation
import Testing

@testable import Support

@Suite struct ZIPWriterTests {
    /// Writes entries of so many bytes that nobody writes.
    private func write(_ path: String, _ counts: [Int], alignment: Int) throws {
        let file = try AtomicFile(path: path)
        var archive = ZIPWriter(alignment: alignment)
        for (i, count) in counts.enumerated() {
            let start = archive.byteCount
            try file.write(archive.header("entry-\(i)", count: count, checksum: 7), at: start)
        }
        try file.write(archive.end(), at: archive.byteCount)
        try file.commit()
    }

    private static let counts = [
        [0, 1, 1000], [10, 4_294_967_294, 5], [4_294_967_295, 1], [5_000_000_000, 5_000_000_000, 3],
    ]

    @Test(arguments: counts, [1, 64])
    func entriesAreFoundWhereTheyAre(counts: [Int], alignment: Int) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "zip-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "a.zip").path
        try write(path, counts, alignment: alignment)
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0)
        try #require(memory != MAP_FAILED)
        defer { munmap(memory, size) }
        let directory = try ZIPDirectory(UnsafeRawBufferPointer(start: memory, count: size))
        #expect(directory.entries.map(\.name) == counts.indices.map { "entry-\($0)" })
        #expect(directory.entries.map(\.data.count) == counts)
        #expect(directory.entries.allSatisfy { $0.data.lowerBound.isMultiple(of: alignment) && $0.checksum == 7 })

        let python = Process()
        python.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        let sizes = "[i.file_size for i in zipfile.ZipFile(sys.argv[1]).infolist()]"
        let opens = "[zipfile.ZipFile(sys.argv[1]).open(n) for n in zipfile.ZipFile(sys.argv[1]).namelist()]"
        python.arguments = ["-c", "import sys, zipfile; assert \(sizes) == \(counts); \(opens)", path]
        try python.run()
        python.waitUntilExit()
        #expect(python.terminationStatus == 0)
    }
}
