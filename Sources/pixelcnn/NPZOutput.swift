// Arrays of a .npz file that are filled side by side, part by part, none of them held: their sizes say where each lies,
// and what depends on their bytes, the checksums, is written last.

import ImageFormats
import Support

/// The arrays of an output.
struct NPZOutput {
    private struct Entry {
        let name: String
        /// Up to the data.
        let header: [UInt8]
        /// Bytes with the header.
        let count: Int
        /// Where the next bytes go in the file.
        var position: Int
        /// Of the bytes so far.
        var checksum: UInt32
    }

    private let output: Output
    private var arrays: [Entry] = []

    /// Begins a file of arrays, none of them with a byte yet.
    init(_ output: Output, _ arrays: [(name: String, type: NPYArray.ElementType, shape: [Int])]) throws(Failure) {
        self.output = output
        var archive = ZIPWriter()
        for (name, type, shape) in arrays {
            let header = NPYArray.header(type, shape: shape)
            let count = header.count + shape.reduce(type.size, *)
            _ = archive.header(NPZ.entry(name), count: count, checksum: 0)
            self.arrays.append(
                Entry(name: name, header: header, count: count, position: archive.byteCount - count, checksum: 0))
        }
        for i in arrays.indices { try append(self.arrays[i].header, to: i) }
    }

    /// Appends to the data of each array.
    ///
    /// - Throws: ``Failure``, also where it is not data of as many arrays (76).
    mutating func append(_ data: [[UInt8]]) throws(Failure) {
        guard data.count == arrays.count else { throw .unequalArrays }
        for (i, bytes) in data.enumerated() { try append(bytes, to: i) }
    }

    private mutating func append(_ bytes: [UInt8], to array: Int) throws(Failure) {
        try output.write(bytes, at: arrays[array].position)
        arrays[array].position += bytes.count
        arrays[array].checksum = ZIPWriter.checksum(arrays[array].checksum, bytes)
    }

    /// Completes the file; all bytes of all arrays are there.
    func finish() throws(Failure) {
        var archive = ZIPWriter()
        for array in arrays {
            let start = archive.byteCount
            try output.write(
                archive.header(NPZ.entry(array.name), count: array.count, checksum: array.checksum), at: start)
        }
        try output.write(archive.end(), at: archive.byteCount)
    }

    /// Refuses what cannot be written in places; called before anything is computed.
    static func check(_ output: OutputPlace) throws(Failure) {
        if case .unnamed = output { return }
        guard case .file(let path) = output, FileKind(path: path) ?? .file == .file else {
            throw Failure(
                .usage,
                "the output is \(output.name); an .npz, whose parts are written side by side, needs a file")
        }
    }
}
