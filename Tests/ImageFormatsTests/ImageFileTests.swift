// One image, or a mask, from a file of either format.

import Testing

@testable import ImageFormats

@Suite struct ImageFileTests {
    private let picture = Picture(width: 3, height: 2, channels: 3, pixels: (0..<18).map { UInt8($0 * 14) })
    private let planar: [UInt16] = [0, 42, 84, 126, 168, 210, 14, 56, 98, 140, 182, 224, 28, 70, 112, 154, 196, 238]

    @Test func aPNGAndAnArrayOfItsValuesAreTheSameImage() throws {
        let png = try ImageFile(PNG.encode(picture))
        #expect((png.height, png.width) == (2, 3))
        #expect(try png.values(channels: 3, colors: 256) == self.planar)
        for shape in [[3, 2, 3], [1, 3, 2, 3]] {
            let npy = try ImageFile(NPYArray.encode(self.planar.map { UInt8($0) }, shape: shape))
            #expect((npy.height, npy.width) == (2, 3))
            #expect(try npy.values(channels: 3, colors: 256) == self.planar)
        }
    }

    @Test func levelsBecomeTheNearestOfFewerValues() throws {
        let levels: [UInt8] = [0, 42, 43, 127, 128, 255]
        let gray = try ImageFile(PNG.encode(Picture(width: 6, height: 1, channels: 1, pixels: levels)))
        #expect(try gray.values(channels: 1, colors: 4) == [0, 0, 1, 1, 2, 3])
    }

    @Test func whatIsNotZeroIsKept() throws {
        let gray = try ImageFile(PNG.encode(Picture(width: 3, height: 1, channels: 1, pixels: [0, 1, 255])))
        #expect(try gray.mask() == [false, true, true])
        let colors: [UInt8] = [0, 0, 0, 0, 0, 1, 200, 0, 0]
        let rgb = try ImageFile(PNG.encode(Picture(width: 3, height: 1, channels: 3, pixels: colors)))
        #expect(try rgb.mask() == [false, true, true])
        let bytes = try ImageFile(NPYArray.encode([0, 7, 255] as [UInt8], shape: [3, 1]))
        #expect((bytes.height, bytes.width) == (3, 1))
        #expect(try bytes.mask() == [false, true, true])
        // The low byte of 256 is 0.
        let wide = try ImageFile(NPYArray.encode([0, 256, 1] as [UInt16], shape: [1, 3]))
        #expect(try wide.mask() == [false, true, true])
    }

    @Test func whatCannotBeReadIsMalformed() throws {
        var damaged = try PNG.encode(picture)
        damaged[20] ^= 1
        for bytes in [[], Array("GIF89a".utf8), Array(NPYHeader.magic), damaged, PNGChunks.signature] {
            let error = try #require(throws: ImageFileError.self) { try ImageFile(bytes) }
            #expect(error.isMalformed, "\(error)")
        }
        // The head alone is read at first.
        let cut = try ImageFile(Array(NPYArray.encode(planar.map { UInt8($0) }, shape: [3, 2, 3]).dropLast()))
        let short = try #require(throws: ImageFileError.self) { try cut.values(channels: 3, colors: 256) }
        #expect(short.isMalformed, "\(short)")
        let ended = Array(try PNG.encode(picture).dropLast(30))
        let error = try #require(throws: ImageFileError.self) { try ImageFile(ended) }
        #expect(error.isMalformed, "\(error)")
    }

    @Test func whatIsSoundAndNoImageOfTheKindIsNot() throws {
        let values = planar.map { UInt8($0) }
        let png = try ImageFile(PNG.encode(picture))
        let npy = try ImageFile(NPYArray.encode(values, shape: [3, 2, 3]))
        let two = try ImageFile(NPYArray.encode(values, shape: [2, 3, 3, 1]))
        let floats = try ImageFile(NPYArray.encode([Float](repeating: 1, count: 18), shape: [3, 2, 3]))
        let mask = try ImageFile(NPYArray.encode([Float](repeating: 1, count: 6), shape: [2, 3]))
        let cases: [(String, () throws -> Any)] = [
            ("has colour", { try png.values(channels: 1, colors: 256) }),
            ("use NPY", { try png.values(channels: 3, colors: 1024) }),
            ("use NPY", { try png.values(channels: 2, colors: 256) }),
            ("[3, 2, 3]; allowed is one image, (n, 1, height, width)", { try npy.values(channels: 1, colors: 256) }),
            ("allowed 0 … 99", { try npy.values(channels: 3, colors: 100) }),
            ("[2, 3, 3, 1]", { try two.values(channels: 3, colors: 256) }),
            ("integer dtype", { try floats.values(channels: 3, colors: 256) }),
            ("(height, width)", { try npy.mask() }), ("integer dtype", { try mask.mask() }),
            ("[18]", { try ImageFile(NPYArray.encode(values, shape: [18])) }),
            ("[3, 0, 3]", { try ImageFile(NPYArray.encode([UInt8](), shape: [3, 0, 3])) }),
        ]
        for (message, read) in cases {
            let error = try #require(throws: ImageFileError.self) { _ = try read() }
            #expect(!error.isMalformed && "\(error)".contains(message), "\(error)")
        }
    }
}
