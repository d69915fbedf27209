// Peak memory of `pixelcnn-train inspect` on pickles that make much of few bytes, beside its peak on a small model.
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

    @Test(arguments: bombs.map(\.name))  // by name: the test's output would spell out every byte
    func hostilePicklesStayWithinTwiceTheirSize(name: String) throws {
        let pickle = try #require(Self.bombs.first { $0.name == name }).pickle
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let small = tests.appending(path: "PixelCNNModelTests/Fixtures/numpy.pt")
        let usual = try peak(inspecting: small.path)
        let bomb = FileManager.default.temporaryDirectory.appending(path: "pixelcnn-\(UUID().uuidString).pt")
        defer { try? FileManager.default.removeItem(at: bomb) }
        let bytes = Self.header + pickle + repeated(".", 1)
        try Data(bytes).write(to: bomb)
        let found = try peak(inspecting: bomb.path)
        #expect(found <= usual + 2 * bytes.count + Self.allowance, "\(name): \(found) bytes, usually \(usual)")
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
