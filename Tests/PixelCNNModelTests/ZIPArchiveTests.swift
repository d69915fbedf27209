// The ZIP reader on archives made on the spot: right ones, and one for each way to be wrong.

import Support
import Testing

@testable import PixelCNNModel

@Suite struct ZIPArchiveTests {
    static let entries: [(String, [UInt8])] = [("a/one", [1, 2, 3]), ("a/none", []), ("a/zwei-ü", [4])]

    private func read(_ bytes: [UInt8]) throws -> [String: [UInt8]] {
        try Fixture.withFile(bytes) { path in
            let archive = try ZIPArchive(ModelFile(path: path))
            return archive.entries.mapValues { [UInt8](archive.file.bytes[$0]) }
        }
    }

    private func error(_ builder: ZIPBuilder) throws -> ZIPError? {
        do {
            _ = try read(builder.bytes())
            return nil
        } catch let error as ZIPError {
            return error
        }
    }

    @Test func readsStoredEntries() throws {
        #expect(try read(ZIPBuilder(Self.entries).bytes()) == Dictionary(uniqueKeysWithValues: Self.entries))
    }

    @Test func readsZIP64AndComments() throws {
        var builder = ZIPBuilder(Self.entries)
        builder.entries[0].wide = true
        builder.entries[2].wide = true
        builder.wideEnd = true
        builder.comment = [UInt8]("PK\u{5}\u{6} in a comment is no end record".utf8)
        #expect(try read(builder.bytes()) == Dictionary(uniqueKeysWithValues: Self.entries))
    }

    @Test func refusesCompressedAndEncryptedEntries() throws {
        var builder = ZIPBuilder(Self.entries)
        builder.entries[0].method = 8
        #expect(try error(builder) == .compressedEntry("a/one", method: 8))
        builder = ZIPBuilder(Self.entries)
        builder.entries[0].flags = 1
        #expect(try error(builder) == .encryptedEntry("a/one"))
    }

    @Test func refusesDuplicateNames() throws {
        #expect(try error(ZIPBuilder([("a", [1]), ("a", [2])])) == .duplicateEntry("a"))
    }

    @Test func refusesEntriesOutsideTheFile() throws {
        var builder = ZIPBuilder(Self.entries)
        builder.entries[0].claimedSize = 5000
        #expect(try error(builder) == .entryOutOfRange("a/one"))
        builder = ZIPBuilder(Self.entries)
        builder.entries[0].claimedOffset = 0xffff_fff0
        #expect(try error(builder) == .entryOutOfRange("a/one"))
    }

    @Test func refusesOverlappingEntries() throws {
        var builder = ZIPBuilder(Self.entries)
        builder.entries[0].claimedSize = 10
        #expect(try error(builder) == .overlappingEntries("a/one", "a/none"))
    }

    @Test func refusesEntriesWhoseHeaderSaysOtherwise() throws {
        var builder = ZIPBuilder(Self.entries)
        builder.entries[1].localName = "a/nine"
        #expect(try error(builder) == .localHeaderMismatch("a/none"))
        builder = ZIPBuilder(Self.entries)
        builder.entries[1].claimedOffset = 3
        #expect(try error(builder) == .localHeaderMismatch("a/none"))
        builder = ZIPBuilder(Self.entries)
        builder.entries[0].claimedOriginalSize = 4
        #expect(try error(builder) == .sizeMismatch("a/one", stored: 3, original: 4))
    }

    @Test func refusesEntryCountsThatDoNotFit() throws {
        for wide in [false, true] {
            var builder = ZIPBuilder(Self.entries)
            builder.wideEnd = wide
            builder.claimedCount = 60_000
            #expect(try error(builder) == .damagedEndRecord)
            builder.claimedCount = 2
            #expect(try error(builder) == .damagedDirectory(entryNumber: 2))
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = ZIPBuilder(Self.entries).bytes()
        for length in 1..<bytes.count {
            #expect(throws: ZIPError.self) { try read([UInt8](bytes.prefix(length))) }
        }
    }

    @Test func everyFlippedByteIsReadOrRefused() throws {
        var builder = ZIPBuilder(Self.entries)
        builder.entries[0].wide = true
        builder.wideEnd = true
        let bytes = builder.bytes()
        for index in bytes.indices {
            for flip in [0x01, 0x80, 0xff] as [UInt8] {
                var bad = bytes
                bad[index] ^= flip
                do {
                    #expect(try read(bad).count == 3)
                } catch {
                    #expect(error is ZIPError)
                }
            }
        }
    }
}
