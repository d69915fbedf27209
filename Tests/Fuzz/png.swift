// PNG files as POST /v1/score takes them: as they come, then with every checksum made right, for otherwise no change
// would get past the first. What is read must survive being written and read again.

@testable import ImageFormats

/// Most pixels accepted, so that a decoded picture, its copies and libpng's rows stay far below the bound on memory.
private let limit = 1 << 20

/// Takes one input.
@_cdecl("LLVMFuzzerTestOneInput") package func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let file = Array(fuzzBytes(start, count))
    decode(file)
    let repaired = withChecksums(file)
    if repaired != file { decode(repaired) }
    return 0
}

private func decode(_ file: [UInt8]) {
    do throws(PNGError) {
        _ = try PNG.text(of: file)
        let picture = try PNG.decode(file, limit: limit)
        precondition(picture.width * picture.height <= limit, "a picture beyond the limit")
        precondition(
            picture.pixels.count == picture.width * picture.height * picture.channels, "pixels do not fit the size")
        if picture.pixels.count <= 1 << 12 {
            precondition((try? PNG.decode(PNG.encode(picture))) == picture, "written and read again, it is another")
        }
    } catch {
        precondition(!error.description.contains("\n"), "the message of an error has more than one line")
    }
}

/// The file with the checksum of each of its whole chunks.
private func withChecksums(_ file: [UInt8]) -> [UInt8] {
    var file = file
    var position = PNGChunks.signature.count
    while file.count - position >= 12 {
        let length = file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= file.count - position - 12 else { break }
        let end = position + 8 + length
        let checksum = PNG.checksum(of: file[position + 4..<end])
        for byte in 0..<4 { file[end + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * byte)) }
        position = end + 4
    }
    return file
}
