// What lies behind transparent pictures: the colours that people name, and the levels that come out.

import Testing

@testable import ImageFormats

@Suite struct BackgroundTests {
    @Test(arguments: [
        ("white", "ffffff"), ("Black", "000000"), ("grey", "808080"), ("#ff8000", "ff8000"), ("FF8000", "ff8000"),
        ("#f80", "ff8800"), ("abc", "aabbcc"),
    ])
    func coloursAreReadAsPeopleWriteThem(text: String, digits: String) throws {
        #expect(try #require(Background(text)).description == digits)
    }

    @Test(arguments: ["", "#", "mauve", "ff80", "#ff80001", "12345g"])
    func refusesWhatIsNoColour(text: String) {
        #expect(Background(text) == nil)
    }

    @Test func aLevelIsTheNearestOfTheMixture() throws {
        let pixels: [UInt8] = [255, 0, 10, 0, 255, 0, 10, 255, 100, 200, 30, 128]
        let picture = try #require(Background("ff8000")).behind(pixels, width: 3, height: 1, channels: 3)
        // The third: 255 · 127/255 + 100 · 128/255 = 177.196…, 164.13…, 15.05….
        let expected: [UInt8] = [255, 128, 0, 255, 0, 10, 177, 164, 15]
        #expect(picture == Picture(width: 3, height: 1, channels: 3, pixels: expected))
    }

    @Test func grayOnGrayStaysGrayAndOnAColourDoesNot() throws {
        let pixels: [UInt8] = [10, 255, 10, 0]
        let gray = try #require(Background("white")).behind(pixels, width: 2, height: 1, channels: 1)
        #expect(gray == Picture(width: 2, height: 1, channels: 1, pixels: [10, 255]))
        let color = try #require(Background("f00")).behind(pixels, width: 2, height: 1, channels: 1)
        #expect(color == Picture(width: 2, height: 1, channels: 3, pixels: [10, 10, 10, 255, 0, 0]))
    }

    /// Of each way in which a PNG can be transparent.
    @Test(arguments: ["bad_rgb_alpha", "bad_gray_alpha", "bad_palette_alpha", "bad_gray_transparent"])
    func transparentPNGsAreReadOnABackground(name: String) throws {
        let file = try Fixture.bytes("png/\(name).png")
        let white = try PNG.decode(file, background: Background("white"))
        let black = try PNG.decode(file, background: Background("black"))
        #expect(white.pixels != black.pixels && white.pixels.count == black.pixels.count)
        #expect(zip(white.pixels, black.pixels).allSatisfy { $0 >= $1 })
        #expect(throws: PNGError.self) { try PNG.decode(file) }
    }

    @Test func anOpaquePNGIsTheSameOnAnyBackground() throws {
        for name in ["rgb_alpha_opaque", "gray_alpha_opaque", "gray8", "palette1"] {
            let file = try Fixture.bytes("png/\(name).png")
            let picture = try PNG.decode(file)
            #expect(try PNG.decode(file, background: Background("black")) == picture, "\(name)")
        }
    }
}
