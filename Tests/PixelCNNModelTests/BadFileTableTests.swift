// The table of bad files, and the one line that a person reads of each: the file, the tensor or entry where there is
// one, what was found, and what to do. The other suites hold the cases of each reader to their exact errors.

import Testing

@testable import PixelCNNModel

@Suite struct BadFileTableTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let kind: String
        var name = "model.pt"
        /// What the line must hold besides the file.
        let line: [String]
        let bytes: @Sendable () throws -> [UInt8]
        var testDescription: String { kind }
    }

    static let rows: [Row] = [
        Row(kind: "empty", line: ["empty"]) { [] },
        Row(kind: "not an archive", line: ["01 02 03 ff"]) { [1, 2, 3, 255] },
        Row(kind: "truncated", line: ["ZIP"]) { try Array(Fixture.bytes("state.pt").dropLast(100)) },
        Row(kind: "truncated, no ZIP", line: ["in_conv.0.weight", "3528"]) {
            try Array(Fixture.bytes("legacy.pt").dropLast(5000))
        },
        archive("compressed entry", ["state/data/3", "compress"]) { $0["/data/3"].method = 8 },
        archive("encrypted entry", ["state/data/3", "encrypt"]) { $0["/data/3"].flags = 1 },
        archive("entry past the end", ["state/data/3"]) { $0["/data/3"].claimedOffset = 0x7fff_ffff },
        archive("misplaced entry", ["state/data/3", "no header"]) { $0["/data/3"].claimedOffset = 0 },
        archive("overlapping entries", ["state/data/3", "overlap"]) {
            $0["/data/3"].claimedSize = UInt32($0["/data/3"].data.count + 100)
            $0["/data/3"].claimedOriginalSize = $0["/data/3"].claimedSize
        },
        archive("missing storage", ["in_conv.0.weight", "state/data/0"]) { $0.remove("/data/0") },
        archive("short storage", ["in_conv.0.weight", "3527", "3528"]) { $0["/data/0"].data.removeLast() },
        archive("infinite weight", ["in_conv.0.weight", "finite"]) {
            $0["/data/0"].data.replaceSubrange(0..<4, with: [0, 0, 0x80, 0x7f])
        },
        archive("NaN under a mask", ["in_conv.0.weight", "finite"]) {
            $0["/data/0"].data.replaceSubrange(3524..., with: [0, 0, 0xc0, 0x7f])
        },
        archive("wrong mask", ["in_conv.0.mask", "(0, 0, 3, 3)"]) { builder in
            for i in builder.entries.indices where builder.entries[i].data.count == 882 {
                builder.entries[i].data[24] = 1
            }
        },
        pickle(
            "a weight of another class", ["in_conv.0.weight", "os.system", "python3 -c"],
            "torch._utils\n_rebuild_tensor_v2", "os\nsystem"),
        pickle("missing tensor", ["out_conv.2.bias"], "out_conv.2.bias", "out_conv.2.biaz"),
        // (6, 3, 7, 7) made (3, 6, 7, 7), and (12, 6, 1, 1) made (6, 12, 1, 1): as many numbers, another network.
        pickle(
            "sizes that contradict each other", ["filters is 3"], "(K\u{6}K\u{3}K\u{7}K\u{7}t",
            "(K\u{3}K\u{6}K\u{7}K\u{7}t"),
        pickle(
            "wrong shape", ["out_conv"], "(K\u{c}K\u{6}K\u{1}K\u{1}t", "(K\u{6}K\u{c}K\u{1}K\u{1}t"),
        pickle(
            "shape beyond 2^63", ["in_conv.0.weight", "4611686018427387904"], "(K\u{6}K\u{3}K\u{7}K\u{7}t",
            "(\u{8a}\u{8}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{40}K\u{3}K\u{7}K\u{7}t"),
        header("duplicate key", ["“a”", "twice"], "{\(tensor(0, 4)),\(tensor(4, 8))}", data: 8),
        header("nested header", ["byte 5", "“{”"], "{\"a\":" + String(repeating: "[", count: 100_000), data: 0),
        header("offsets past the end", ["“a”", "8"], "{\(tensor(4, 8))}", data: 4),
        header("offsets near 2^63", ["“a”", "9223372036854775807"], "{\(tensor(0, Int.max))}", data: 4),
        Row(kind: "header near 2^63", name: "model.safetensors", line: ["9223372036854775807", "10"]) {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x7b, 0x7d]
        },
    ]

    @Test(arguments: rows) func givesOneLineThatNamesFileAndCulprit(_ row: Row) throws {
        try Fixture.withFile(row.bytes(), name: row.name) { path in
            do throws(ModelFileError) {
                _ = try Model.load(path: path)
                Issue.record("\(row.kind): loaded")
            } catch {
                print("\(row.kind): \(error)".replacing(path, with: row.name))
                #expect(error.exitCode == .dataError)
                #expect(!"\(error)".contains("\n") && "\(error)".count < 1000)
                for part in [path] + row.line { #expect("\(error)".contains(part), "\(error)") }
            }
        }
    }

    private static func archive(
        _ kind: String, _ line: [String], _ change: @escaping @Sendable (inout ZIPBuilder) -> Void
    ) -> Row {
        Row(kind: kind, line: line) {
            var builder = try ZIPBuilder(fixture: "state.pt")
            change(&builder)
            return builder.bytes()
        }
    }

    private static func pickle(_ kind: String, _ line: [String], _ old: String, _ new: String) -> Row {
        archive(kind, line) { $0["/data.pkl"].data = $0["/data.pkl"].data.replacing(old.latin1, with: new.latin1) }
    }

    private static func header(_ kind: String, _ line: [String], _ json: String, data: Int) -> Row {
        Row(kind: kind, name: "model.safetensors", line: line) {
            var bytes: [UInt8] = []
            bytes.appendLittleEndian(UInt64(json.utf8.count))
            return bytes + Array(json.utf8) + [UInt8](repeating: 0, count: data)
        }
    }

    private static func tensor(_ begin: Int, _ end: Int) -> String {
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\(begin),\(end)]}"
    }
}
