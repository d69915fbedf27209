// JPEG, WebP, BMP and TIFF, held against what Pillow decodes.

import ImageFormats
import Testing

@testable import ImageImport

@Suite struct PictureFileTests {
    /// Versions of libjpeg and libwebp may round the samples of lossy files otherwise.
    private static let tolerance = 2

    @Test(arguments: [
        "rgb.bmp", "gray.bmp", "palette.bmp", "bits.bmp", "rgb.tiff", "gray.tiff", "lzw.tiff", "deflate.tiff",
        "palette.tiff", "bits.tiff", "opaque.tiff", "lossless.webp", "opaque.webp", "rgb.jpg", "subsampled.jpg",
        "progressive.jpg", "gray.jpg", "jpeg.tiff", "lossy.webp",
    ])
    func picturesAreWhatPillowDecodes(_ name: String) throws {
        let file = try Fixture.bytes(name)
        let expected = try Fixture.expected(name)
        guard case .picture = ImageKind(Array(file.prefix(ImageKind.bytesNeeded))) else {
            Issue.record("\(name) is not known")
            return
        }
        #expect(try Picture.importedSize(of: file) == (7, 9))
        var picture = try Picture.imported(file)
        // A palette may be of grays.
        if picture.channels == 1, expected.channels == 3 {
            picture = Picture(width: 7, height: 9, channels: 3, pixels: picture.pixels.flatMap { [$0, $0, $0] })
        }
        #expect((picture.width, picture.height, picture.channels) == (7, 9, expected.channels))
        let differences = zip(picture.pixels, expected.pixels).map { abs(Int($0) - Int($1)) }
        let isLossy = ["jpg", "jpeg.tiff", "lossy"].contains { name.contains($0) }
        #expect(differences.max() ?? 0 <= (isLossy ? Self.tolerance : 0))
        print("\(name): \(picture.channels) channels, largest difference \(differences.max() ?? 0)")
    }

    @Test func whatEightBitsOfGrayOrColourCannotSayIsRefusedByName() throws {
        for (name, words) in [
            ("cmyk.jpg", ["JPEG", "CMYK"]), ("clear.webp", ["WebP", "transparency, at row 2, column 3"]),
            ("clear.tiff", ["TIFF", "transparency, at row 2, column 3"]), ("clear.bmp", ["BMP", "32 bits per pixel"]),
            ("wide.tiff", ["TIFF", "16 bits per sample"]), ("float.tiff", ["TIFF"]),
            ("pages.tiff", ["TIFF", "several pages"]), ("animated.webp", ["WebP", "animated"]),
        ] {
            let file = try Fixture.bytes(name)
            let error = try #require(throws: PictureError.self) { try PictureFile.decode(file) }
            print("\(name): \(error)")
            #expect(!"\(error)".contains("\n") && words.allSatisfy("\(error)".contains), "\(name): \(error)")
        }
    }

    /// The same picture as `rgb.bmp`, but for one pixel, (1, 2, 3) of alpha 100.
    @Test func aBackgroundShowsThrough() throws {
        let white = try #require(Background("white"))
        var expected = try PictureFile.decode(Fixture.bytes("rgb.bmp"))
        let pixel = (2 * 7 + 3) * 3
        for (channel, level) in [1, 2, 3].enumerated() {
            expected.pixels[pixel + channel] = UInt8((Double(level * 100 + 255 * 155) / 255).rounded())
        }
        for name in ["clear.webp", "clear.tiff"] {
            let picture = try PictureFile.decode(Fixture.bytes(name), background: white)
            // TIFF may have its colours multiplied by alpha.
            let differences = zip(picture.pixels, expected.pixels).map { abs(Int($0) - Int($1)) }
            #expect(differences.max() ?? 0 <= (name == "clear.tiff" ? 1 : 0), "\(name): \(differences.max() ?? 0)")
        }
    }

    @Test func damagedFilesAreRefused() throws {
        for name in ["rgb.jpg", "lossless.webp", "rgb.bmp", "lzw.tiff", "palette.tiff"] {
            let file = try Fixture.bytes(name)
            for length in stride(from: 0, to: file.count, by: 3) {
                // A JPEG that ends early has gray for the rest, as every decoder does; nothing else has pixels then.
                let picture = try? PictureFile.decode(Array(file[..<length]))
                if let picture { #expect(picture.pixels.count == 7 * 9 * picture.channels) }
                if length < 20 { #expect(picture == nil) }
            }
        }
    }

    @Test func theSizeIsJudgedBeforeAnythingIsDecoded() throws {
        for name in ["rgb.jpg", "lossless.webp", "rgb.bmp", "rgb.tiff"] {
            let file = try Fixture.bytes(name)
            #expect(throws: PictureError.self) { try PictureFile.decode(file, limit: 62) }
            #expect(try PictureFile.decode(file, limit: 63).height == 9)
        }
    }
}
