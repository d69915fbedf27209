// Files in the form before PyTorch 1.6 with one thing changed: each is refused with the error for that thing. That
// whole ones load to the same numbers as their twins is in PyTorchFileTests.

import Testing

@testable import PixelCNNModel

@Suite struct LegacyPyTorchFileTests {
    /// Where the storages begin: after the fifth pickle, a list of their keys.
    private func storagesStart(_ bytes: [UInt8]) throws -> Int {
        try bytes.withUnsafeBytes { bytes in
            var position = 0
            for _ in 0..<5 {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                position += try Unpickler.readFirst(rest, fileBytes: bytes.count).length
            }
            return position
        }
    }

    /// Whether the problem is that of a tensor whose storage is missing or of the wrong size.
    private func namesATensor(_ problem: ModelFileError.Problem?) -> Bool {
        switch problem {
        case .pyTorch(.missingStorage(let tensor, let entry)),
            .pyTorch(.storageSizeMismatch(let tensor, let entry, _, _)):
            !tensor.isEmpty && entry.hasPrefix("storage ")
        default: false
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = try Fixture.bytes("legacy.pt")
        let start = try storagesStart(bytes)
        for length in Array(stride(from: 14, to: bytes.count, by: 31)) + [bytes.count - 1] {
            let problem = try Fixture.problem([UInt8](bytes.prefix(length)))
            if length < start {
                guard case .pickle(.truncated)? = problem else {
                    Issue.record("cut to \(length) bytes: \(String(describing: problem))")
                    return
                }
            } else {
                #expect(namesATensor(problem))
            }
        }
    }

    @Test(arguments: [Int64.max, .min, -1, 0, 1 << 61, 1 << 62])
    func refusesStoragesOfImpossibleLengths(count: Int64) throws {
        var bytes = try Fixture.bytes("legacy.pt")
        let start = try storagesStart(bytes)
        var field: [UInt8] = []
        field.appendLittleEndian(count)
        bytes.replaceSubrange(start..<start + 8, with: field)
        guard case .pyTorch(let error)? = try Fixture.problem(bytes) else {
            Issue.record("not refused")
            return
        }
        #expect(!error.description.isEmpty)
    }

    @Test func refusesOtherVersions() throws {
        let bytes = try Fixture.bytes("legacy.pt")
        #expect(
            try Fixture.problem(bytes.replacing("M\u{e9}\u{3}.".latin1, with: "M\u{ea}\u{3}.".latin1))
                == .pyTorch(.malformedLegacyFile(part: "version", found: "1002", expected: "1001")))
    }

    /// PyTorch wrote little-endian numbers on every machine, and pays no heed to what the file says of it.
    @Test func filesOfBigEndianMachinesAreLittleEndianToo() throws {
        let bytes = try Fixture.bytes("legacy.pt")
        let order = "little_endian".latin1
        let after = try #require(bytes.firstRange(of: order)).upperBound
        let value = try #require(bytes[after...].firstIndex(of: 0x88))
        var big = bytes
        big[value] = 0x89
        #expect(try Fixture.problem(big) == nil)
    }

    @Test func refusesStorageListsThatDoNotFit() throws {
        let bytes = try Fixture.bytes("legacy.pt")
        let list = [0x80, 2, 0x5d, 0x71, 0] as [UInt8]
        let start = try #require(bytes[..<(try storagesStart(bytes))].ranges(of: list).last).lowerBound
        let head = [UInt8](bytes[..<start])
        guard
            case .pyTorch(.malformedLegacyFile(part: "list of storages", found: "one with “x”", _))? =
                try Fixture.problem(head + "\u{80}\u{2}]U\u{1}xa.".latin1)
        else {
            Issue.record("an unknown key is not refused")
            return
        }
        #expect(namesATensor(try Fixture.problem(head + "\u{80}\u{2}].".latin1)))
        #expect(
            try Fixture.problem(head + "\u{80}\u{2}N.".latin1)
                == .pyTorch(.malformedLegacyFile(part: "list of storages", found: "None", expected: "a list")))
    }

    @Test func refusesWeightsOfOtherClassesByName() throws {
        let bytes = try Fixture.bytes("legacy.pt").replacing("torch._utils\n_rebuild_tensor_v2", with: "os\nsystem")
        let weight = UnreadTensor(
            name: "in_conv.0.weight", type: "a “os.system”", format: .pyTorchStateDictionary)
        #expect(try Fixture.problem(bytes) == .model(.unreadTensor(weight)))
    }

    @Test func viewsOfStoragesMustLieInside() throws {
        // Every storage is whole: a None as the sixth part of its name.
        let window = "(U\u{1}vK\u{0}K\u{ff}t".latin1
        let bytes = try Fixture.bytes("legacy.pt")
        let end = try #require(bytes.firstRange(of: [0x4e, 0x74] as [UInt8]))
        var bad = bytes
        bad.replaceSubrange(end.lowerBound..<end.lowerBound + 1, with: window)
        // 255 of the first weight's 882 elements are too few for it.
        guard case .pyTorch(.tensorOutsideStorage("in_conv.0.weight", _, _, 0, 255))? = try Fixture.problem(bad) else {
            Issue.record("not refused: \(String(describing: try Fixture.problem(bad)))")
            return
        }
        bad.replaceSubrange(
            end.lowerBound..<end.lowerBound + window.count, with: "(U\u{1}vM\u{1}\u{0}M\u{72}\u{3}t".latin1)
        #expect(try Fixture.problem(bad) == .pyTorch(.malformedTensor("in_conv.0.weight")))
    }

    @Test func flippedBytesAreLoadedOrRefused() throws {
        let bytes = try Fixture.bytes("legacy-module.pt")
        for index in stride(from: 0, to: bytes.count, by: 41) {
            var bad = bytes
            bad[index] ^= UInt8(1 << (index % 8))
            if let problem = try Fixture.problem(bad) { #expect(!problem.description.isEmpty) }
        }
    }
}
