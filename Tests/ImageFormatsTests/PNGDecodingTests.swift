// Every kind of PNG is either read exactly or refused with its own error. Fixtures are assembled by make_fixtures.py,
// which does not use libpng.

import Testing

@testable import ImageFormats

@Suite struct PNGDecodingTests {
    @Test(arguments: [
        "gray8", "rgb8", "gray8_interlaced", "rgb8_interlaced", "gray1", "gray2", "gray4", "gray1_interlaced",
        "gray2_interlaced", "gray4_interlaced", "palette1", "palette2", "palette4", "palette8", "palette1_interlaced",
        "palette2_interlaced", "palette4_interlaced", "palette8_interlaced", "palette8_opaque", "gray_alpha_opaque",
        "rgb_alpha_opaque", "rgb_alpha_opaque_interlaced", "gray_unused_transparent", "rgb8_gamma", "gray8_text",
        "gray8_trailing",
    ])
    func decodes(name: String) throws {
        #expect(try PNG.decode(Fixture.bytes("png/\(name).png")) == Fixture.picture(name))
    }

    @Test(
        arguments: [
            ("gray16", .sixteenBits),
            ("rgb16", .sixteenBits),
            ("gray_alpha", .transparent(row: 3, column: 5, alpha: 128)),
            ("rgb_alpha", .transparent(row: 3, column: 5, alpha: 128)),
            ("palette_alpha", .transparent(row: 1, column: 2, alpha: 7)),
            ("gray_transparent", .transparent(row: 0, column: 1, alpha: 0)),
            ("no_palette", .missingChunk("PLTE")),
            ("palette_index", .paletteIndex(11, row: 0, column: 0, entries: 11)),
            ("no_header", .missingChunk("IHDR")),
            ("short_header", .missingChunk("IHDR")),
            ("no_data", .missingChunk("IDAT")),
            ("no_end", .truncated("before its IEND chunk")),
            ("checksum", .damagedChunk("IDAT")),
            ("text_checksum", .damagedChunk("tEXt")),
            ("chunk_name", .undecodable("no chunk at byte 33")),
            ("chunk_length", .truncated("inside its IDAT chunk")),
            ("width", .invalidHeader(field: "width", value: 0, allowed: "1 … 2147483647")),
            ("height", .invalidHeader(field: "height", value: 1 << 31, allowed: "1 … 2147483647")),
            ("kind", .invalidHeader(field: "colour type", value: 5, allowed: "0, 2, 3, 4 and 6")),
            ("depth", .invalidHeader(field: "bit depth", value: 3, allowed: "1, 2, 4, 8 and 16")),
            ("huge", .tooLarge(width: (1 << 31) - 1, height: (1 << 31) - 1, limit: 1 << 26)),
            ("implausible", .implausibleSize(width: 8192, height: 8192, compressedBytes: 10)),
        ] as [(String, PNGError)])
    func refuses(name: String, error: PNGError) throws {
        let file = try Fixture.bytes("png/bad_\(name).png")
        #expect(throws: error) { try PNG.decode(file) }
        #expect(!error.description.contains("\n"))
    }

    /// One pixel of each is half transparent.
    @Test func aBackgroundShowsThrough() throws {
        let color = try #require(Background("#10f080"))
        for (name, channels) in [("gray_alpha", 1), ("rgb_alpha", 3)] {
            let opaque = try Fixture.picture("\(name)_opaque")
            for (background, levels) in [
                (Background("white"), [255, 255, 255]), (Background("Black"), [0, 0, 0]),
                (Background("808080"), [128, 128, 128]), (color, [16, 240, 128]),
            ] as [(Background?, [Int])] {
                let background = try #require(background)
                let isColored = channels == 3 || background == color
                var expected = opaque
                if isColored, channels == 1 {
                    expected = Picture(
                        width: opaque.width, height: opaque.height, channels: 3,
                        pixels: opaque.pixels.flatMap { [$0, $0, $0] })
                }
                let pixel = (3 * opaque.width + 5) * expected.channels
                for channel in 0..<expected.channels {
                    let mean = Double(expected.pixels[pixel + channel]) * 128 + Double(levels[channel] * 127)
                    expected.pixels[pixel + channel] = UInt8((mean / 255).rounded())
                }
                let picture = try PNG.decode(Fixture.bytes("png/bad_\(name).png"), background: background)
                #expect(picture == expected, "\(name)")
            }
        }
        for wrong in ["", "#12345", "1234567", "blue-ish", "+12345", "-1"] { #expect(Background(wrong) == nil) }
        // What is opaque is as without a background.
        #expect(try PNG.decode(Fixture.bytes("png/palette8.png"), background: color) == Fixture.picture("palette8"))
    }

    @Test(arguments: [
        "critical_chunk", "second_header", "depth_of_kind", "interlace", "few_rows",
        "many_rows", "deflate", "adler", "filter",
    ])
    func refusesInLibpngsWords(name: String) throws {
        let file = try Fixture.bytes("png/bad_\(name).png")
        let error = #expect(throws: PNGError.self) { try PNG.decode(file) }
        guard case .undecodable(let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!reason.isEmpty)
    }

    @Test func obeysTheLimitOnPixels() throws {
        let file = try Fixture.bytes("png/gray8.png")  // 7 × 5
        #expect(throws: PNGError.tooLarge(width: 7, height: 5, limit: 34)) { try PNG.decode(file, limit: 34) }
        #expect(try PNG.decode(file, limit: 35).pixels.count == 35)
    }

    @Test(arguments: ["deflate", "adler", "filter", "few_rows"])
    func weighsTheSizeBeforeItDecodes(name: String) throws {
        // Decoding would fail; a file beyond the limit does not get so far.
        let file = try Fixture.bytes("png/bad_\(name).png")
        let header = try PNGChunks(parsing: file).header
        let area = header.width * header.height
        #expect(throws: PNGError.tooLarge(width: header.width, height: header.height, limit: area - 1)) {
            try PNG.decode(file, limit: area - 1)
        }
    }

    @Test func acceptsWhatCompressesBest() throws {
        // Within a few percent of deflate's limit of 1032 : 1.
        let black = Picture(width: 4096, height: 4096, channels: 3, pixels: .init(repeating: 0, count: 3 << 24))
        let file = try PNG.encode(black)
        #expect(file.count < black.pixels.count / 900)
        #expect(try PNG.decode(file) == black)
    }

    @Test func refusesOtherFormats() {
        #expect(throws: PNGError.notPNG) { try PNG.decode([]) }
        #expect(throws: PNGError.notPNG) { try PNG.decode(Array("GIF89a".utf8)) }
    }

    @Test(arguments: ["gray8_text", "rgb8_interlaced", "palette8_opaque"])
    func refusesFileCutAtAnyByte(name: String) throws {
        let file = try Fixture.bytes("png/\(name).png")
        for count in 0..<file.count {
            let cut = Array(file[..<count])
            #expect(throws: PNGError.self, "cut to \(count) bytes") { try PNG.decode(cut) }
            #expect(throws: PNGError.self, "cut to \(count) bytes") { try PNG.text(of: cut) }
        }
    }

    @Test func refusesEveryChangeOfASingleByte() throws {
        let file = try Fixture.bytes("png/palette8_opaque.png")
        for position in file.indices {
            for bit in 0..<8 {
                var changed = file
                changed[position] ^= 1 << bit
                #expect(throws: PNGError.self, "byte \(position), bit \(bit)") { try PNG.decode(changed) }
            }
        }
    }

    @Test func survivesDamageBehindValidChecksums() throws {
        let file = try Fixture.bytes("png/palette4_interlaced.png")
        for chunk in try Fixture.chunks(of: file) {
            for position in chunk.contents {
                for value in [0, 1, 2, 3, 4, 8, 0x7F, 0x80, 0xFF] as [UInt8] {
                    var changed = file
                    changed[position] = value
                    let end = chunk.contents.upperBound
                    let checksum = PNG.checksum(of: changed[chunk.contents.lowerBound - 4..<end])
                    for byte in 0..<4 { changed[end + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * byte)) }
                    guard let picture = try? PNG.decode(changed) else { continue }
                    #expect(picture.pixels.count == picture.width * picture.height * picture.channels)
                }
            }
        }
    }
}
