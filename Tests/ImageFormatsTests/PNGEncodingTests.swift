// What is written is deterministic, carries its texts, and reads back.

import Testing

@testable import ImageFormats

@Suite struct PNGEncodingTests {
    static func picture(width: Int = 13, height: Int = 9, channels: Int) -> Picture {
        let pixels = (0..<width * height * channels).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 >> 3) }
        return Picture(width: width, height: height, channels: channels, pixels: pixels)
    }

    @Test(arguments: [1, 3])
    func readsBackWhatItWrites(channels: Int) throws {
        for (width, height) in [(1, 1), (13, 9), (1, 300), (300, 1)] {
            let picture = Self.picture(width: width, height: height, channels: channels)
            #expect(try PNG.decode(PNG.encode(picture)) == picture)
        }
    }

    @Test func writesTheSameBytesForTheSamePicture() throws {
        let (picture, text) = (Self.picture(channels: 3), [(key: "Seed", value: "42")])
        #expect(try PNG.encode(picture, text: text) == PNG.encode(picture, text: text))
    }

    @Test func writesOnlyHeaderTextsAndImage() throws {
        let file = try PNG.encode(Self.picture(channels: 1), text: [("Seed", "42"), ("Software", "pixelcnnd")])
        #expect(try Fixture.chunks(of: file).map(\.name) == ["IHDR", "tEXt", "tEXt", "IDAT", "IEND"])
    }

    @Test func readsBackTexts() throws {
        let file = try PNG.encode(
            Self.picture(channels: 3),
            text: [("Seed", "42"), ("First index", ""), ("Seed", "a\nb"), ("Model é", "naïve ÿ")])
        let found = try PNG.text(of: file)
        #expect(found.map(\.key) == ["Seed", "First index", "Seed", "Model é"])
        #expect(found.map(\.value) == ["42", "", "a\nb", "naïve ÿ"])
        #expect(try PNG.decode(file) == Self.picture(channels: 3))
    }

    @Test func readsTextsBeforeAndAfterTheImageButNotPackedOnes() throws {
        let found = try PNG.text(of: Fixture.bytes("png/gray8_text.png"))
        #expect(found.map(\.key) == ["Seed", "Comment", "Empty"])
        #expect(found.map(\.value) == ["42", "café", ""])
    }

    @Test func refusesTextChunkWithoutKey() throws {
        let file = try Fixture.bytes("png/bad_text.png")
        #expect(throws: PNGError.undecodable("tEXt chunk without a key")) { try PNG.text(of: file) }
    }

    @Test(arguments: [
        ("", "x"), (String(repeating: "k", count: 80), "x"), (" Seed", "x"), ("Seed ", "x"), ("Se  ed", "x"),
        ("Se\u{0}ed", "x"), ("Se\ned", "x"), ("Se\u{A0}ed", "x"), ("種", "x"), ("Seed", "種"), ("Seed", "a\u{0}b"),
    ])
    func refusesTextThatAChunkCannotCarry(key: String, value: String) {
        #expect(throws: PNGError.invalidText(key: key)) {
            try PNG.encode(Self.picture(channels: 1), text: [(key, value)])
        }
    }

    @Test(arguments: [
        Picture(width: 2, height: 2, channels: 2, pixels: .init(repeating: 0, count: 8)),
        Picture(width: 2, height: 2, channels: 4, pixels: .init(repeating: 0, count: 16)),
        Picture(width: 2, height: 2, channels: 1, pixels: .init(repeating: 0, count: 3)),
        Picture(width: 2, height: 2, channels: 1, pixels: .init(repeating: 0, count: 5)),
        Picture(width: 0, height: 2, channels: 1, pixels: []),
        Picture(width: -2, height: -2, channels: 1, pixels: .init(repeating: 0, count: 4)),
        Picture(width: Int.max, height: Int.max, channels: 1, pixels: [1]),
    ])
    func refusesPicturesThatDoNotFitTogether(picture: Picture) {
        let error = PNGError.invalidPicture(
            width: picture.width, height: picture.height, channels: picture.channels, bytes: picture.pixels.count)
        #expect(throws: error) { try PNG.encode(picture) }
    }
}
