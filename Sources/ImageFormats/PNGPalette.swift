// Turns the indices of a palette image into colours. Done here and not by libpng, which shows an index beyond the
// palette as black. One table lookup a pixel, into a new array.

/// The colours of a palette image.
struct PNGPalette {
    /// Red, green and blue of each entry: (entries, 3).
    private let colors: [UInt8]
    /// Alpha of the first entries; the others are opaque.
    private let alphas: [UInt8]

    /// Reads the palette of a file with these chunks.
    init(of file: [UInt8], chunks: PNGChunks) throws(PNGError) {
        guard let contents = chunks.palette else { throw .missingChunk("PLTE") }
        colors = Array(file[contents])
        alphas = chunks.transparency.map { Array(file[$0]) } ?? []
    }

    /// The colours of a picture of palette indices, (height, width): (height, width, 3).
    func colors(of indices: [UInt8], width: Int) throws(PNGError) -> [UInt8] {
        let entries = colors.count / 3
        var result: [UInt8] = []
        result.reserveCapacity(3 * indices.count)
        for (pixel, index) in indices.enumerated() {
            let (row, column, entry) = (pixel / width, pixel % width, Int(index))
            guard entry < entries else {
                throw .paletteIndex(index, row: row, column: column, entries: entries)
            }
            guard entry >= alphas.count || alphas[entry] == 255 else {
                throw .transparent(row: row, column: column, alpha: alphas[entry])
            }
            result.append(contentsOf: colors[3 * entry..<3 * entry + 3])
        }
        return result
    }
}
