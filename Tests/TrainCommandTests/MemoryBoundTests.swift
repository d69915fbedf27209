// Peak memory of `pixelcnn-train inspect` on files that make much of few bytes, beside its peak on a small model.
//
// The program writes its error to a pipe that is already full, and so waits, its peak behind it, until the kernel's
// figure (VmHWM) has been read.

import Foundation
import Testing

@Suite(.serialized) struct MemoryBoundTests {
    /// What a bad file may cost beside twice its size.
    private static let allowance = 16 << 20

    /// Each is the object of a file in the form before PyTorch 1.6.
    static let bombs: [(name: String, pickle: [UInt8])] = [
        ("values", repeated("N", 1 << 20)),
        ("marks", repeated("(", 1 << 20)),
        ("nested tuples", repeated("N", 1) + [UInt8](repeating: 0x85, count: 1 << 20)),
        ("nested marks and tuples", repeated("(", 1 << 19) + repeated("t", 1 << 19)),
        ("lists", repeated("]", 1 << 20)),
        ("dictionaries", repeated("}", 1 << 20)),
        ("memo", repeated("N", 1) + [UInt8](repeating: 0x94, count: 1 << 20)),
        ("memo with gaps", repeated("N", 1) + (0..<200_000).flatMap { sparseMemo(UInt32($0 * 7 + 1)) }),
        ("copies of a long text", [UInt8(ascii: "X"), 0, 0, 1, 0] + repeated("x", 1 << 16) + repeated("2", 1 << 20)),
        ("appends", repeated("]", 1) + repeated("Na", 1 << 19)),
        ("lists of one", repeated("]Na", 1 << 18)),
        ("items", repeated("}", 1) + repeated("NNs", 1 << 18)),
        ("texts", repeated("U\u{10}0123456789abcdef", 1 << 16)),
        ("names", repeated("ctorch\nSize\n", 1 << 16)),
        ("calls", repeated("ctorch\nSize\n", 1) + repeated("2)R0", 1 << 18)),
        ("storages", repeated("NQ", 1 << 19)),
    ]

    /// Files of other forms, each about a megabyte of structure around no numbers.
    static let files: [(name: String, bytes: [UInt8])] = [
        ("directory.pt", directory(entries: 20_000)),
        ("tensors.safetensors", safetensors((0..<20_000).map { "\"\($0)\":\(emptyTensor)" }.joined(separator: ","))),
        ("metadata.safetensors", safetensors("\"__metadata__\":{\(pairs)},\"a\":\(emptyTensor)")),
        (
            "shape.safetensors",
            safetensors("\"a\":{\"dtype\":\"U8\",\"shape\":[0\(ones)],\"data_offsets\":[0,0]}")
        ),
        ("nesting.safetensors", safetensors("\"a\":" + String(repeating: "[", count: 1 << 20))),
    ]

    private static let emptyTensor = "{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
    private static let pairs = (0..<100_000).map { "\"\($0)\":\"\"" }.joined(separator: ",")
    private static let ones = String(repeating: ",1", count: 1 << 19)

    @Test(arguments: bombs.map(\.name))  // by name: the test's output would spell out every byte
    func hostilePicklesStayWithinTwiceTheirSize(name: String) throws {
        let pickle = try #require(Self.bombs.first { $0.name == name }).pickle
        try expectBound(Self.header + pickle + repeated(".", 1), suffix: "pt")
    }

    @Test(arguments: files.map(\.name))
    func hostileDirectoriesAndHeadersStayWithinTwiceTheirSize(name: String) throws {
        let bytes = try #require(Self.files.first { $0.name == name }).bytes
        try expectBound(bytes, suffix: String(name.split(separator: ".")[1]))
    }

    private func expectBound(_ bytes: [UInt8], suffix: String) throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let usual = try peak(inspecting: tests.appending(path: "PixelCNNModelTests/Fixtures/complex.pt").path)
        let file = FileManager.default.temporaryDirectory.appending(path: "pixelcnn-\(UUID().uuidString).\(suffix)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(bytes).write(to: file)
        let found = try peak(inspecting: file.path)
        print("peak \(found) bytes, usually \(usual), file \(bytes.count)")
        #expect(found <= usual + 2 * bytes.count + Self.allowance)
    }

    /// Magic number, version and an empty description of the machine.
    private static let header: [UInt8] =
        [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]
        + [0x80, 2, 0x4d, 0xe9, 0x03, 0x2e, 0x80, 2, 0x7d, 0x2e]

    /// The largest resident size of a program that refuses `path`.
    private func peak(inspecting path: String) throws -> Int {
        let errors = Pipe()
        let writer = errors.fileHandleForWriting.fileDescriptor
        let flags = fcntl(writer, F_GETFL)
        _ = fcntl(writer, F_SETFL, flags | O_NONBLOCK)
        for size in [4096, 1] {
            let filler = [UInt8](repeating: 0, count: size)
            while write(writer, filler, size) > 0 {}
        }
        _ = fcntl(writer, F_SETFL, flags)

        let program = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let process = Process()
        process.executableURL = program.deletingLastPathComponent().appending(path: "pixelcnn-train")
        process.arguments = ["inspect", path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        // Once it waits it sleeps, and its figures stand still.
        var last = ""
        var unchanged = 0
        while unchanged < 20, process.isRunning {
            usleep(10_000)
            let status =
                (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
            let figures = status.split(separator: "\n").filter { $0.hasPrefix("State") || $0.hasPrefix("VmHWM") }
                .joined(separator: "\n")
            unchanged = figures == last && figures.contains("S (sleeping)") ? unchanged + 1 : 0
            last = figures
        }
        #expect(process.isRunning, "ended before its peak was read")
        _ = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 65)
        let kilobytes = last.split(separator: "\n").last?.split(whereSeparator: \.isWhitespace).dropFirst().first
        return try #require(kilobytes.flatMap { Int($0) }) * 1024
    }
}

private func repeated(_ text: String, _ count: Int) -> [UInt8] {
    [UInt8]([[UInt8]](repeating: text.unicodeScalars.map { UInt8($0.value) }, count: count).joined())
}

/// LONG_BINPUT, four bytes of index.
private func sparseMemo(_ index: UInt32) -> [UInt8] {
    [UInt8(ascii: "r")] + (0..<4).map { UInt8(truncatingIfNeeded: index >> (8 * UInt32($0))) }
}

/// An archive of so many empty entries.
private func directory(entries: Int) -> [UInt8] {
    var (files, directory): ([UInt8], [UInt8]) = ([], [])
    for i in 0..<entries {
        let name = Array("\(i)".utf8)
        let length = littleEndian(name.count, bytes: 2)
        directory += littleEndian(0x0201_4b50, bytes: 4) + [UInt8](repeating: 0, count: 24) + length
        directory += [UInt8](repeating: 0, count: 12) + littleEndian(files.count, bytes: 4) + name
        files += littleEndian(0x0403_4b50, bytes: 4) + [UInt8](repeating: 0, count: 22) + length + [0, 0] + name
    }
    let end =
        littleEndian(0x0605_4b50, bytes: 4) + [0, 0, 0, 0] + littleEndian(entries, bytes: 2)
        + littleEndian(entries, bytes: 2) + littleEndian(directory.count, bytes: 4)
        + littleEndian(files.count, bytes: 4) + [0, 0]
    return files + directory + end
}

/// A file of this header, without its braces, and no tensors' bytes.
private func safetensors(_ fields: String) -> [UInt8] {
    let header = Array("{\(fields)}".utf8)
    return littleEndian(header.count, bytes: 8) + header
}

private func littleEndian(_ value: Int, bytes: Int) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}
