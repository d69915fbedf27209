// Where in a `.npy` file its elements lie, so that an array that is larger than memory can be read in pieces along its
// first dimension. Whoever has the file reads the bytes.

/// What the header of a `.npy` file says of its data.
package struct NPYLayout: Sendable {
    /// Stretches of a file of equal length, at equal distances.
    package struct Stretches: Sendable, Equatable {
        /// Where the first begins, in bytes from the start of the file.
        package var start: Int
        /// Bytes of each.
        package var length: Int
        /// Bytes from the start of one to the start of the next.
        package var stride: Int
        /// How many there are.
        package var count: Int
    }

    private let header: NPYHeader
    /// Bytes of the data.
    private let dataBytes: Int

    /// Reads a header, asking for more of the file as it turns out to be longer.
    ///
    /// - Parameter read: gives the bytes of the file in a range, fewer where it ends.
    /// - Throws: ``NPYError`` where it is no header; what `read` throws.
    package init(read: (Range<Int>) throws -> [UInt8]) throws {
        header = try Self.header(read)
        dataBytes = try NPYArray.byteCount(shape: header.shape, elementSize: header.elementType.size)
    }

    private static func header(_ read: (Range<Int>) throws -> [UInt8]) throws -> NPYHeader {
        var bytes = try read(0..<8)
        while true {
            do {
                return try NPYHeader(parsing: bytes.span.bytes)
            } catch {
                guard case .truncatedHeader(let expected, let found) = error else { throw error }
                let more = try read(found..<expected)
                guard more.count == expected - found else {
                    throw NPYError.truncatedHeader(expected: expected, found: found + more.count)
                }
                bytes += more
            }
        }
    }

    /// The extent of each dimension, outermost first.
    package var shape: [Int] { header.shape }
    /// What each element is.
    package var elementType: NPYArray.ElementType { header.elementType }

    /// Refuses a file that is not as long as it must be.
    ///
    /// - Throws: `NPYError.lengthMismatch`.
    package func check(fileBytes: Int) throws(NPYError) {
        guard fileBytes - header.dataOffset == dataBytes else {
            throw .lengthMismatch(
                shape: shape, elementType: elementType, expected: dataBytes, found: fileBytes - header.dataOffset)
        }
    }

    /// Where the elements lie whose first index is in `rows`: in Fortran order, one stretch for each combination of the
    /// other indices. The array has at least one dimension and no empty one.
    package func stretches(ofRows rows: Range<Int>) -> Stretches {
        let (size, others) = (elementType.size, dataBytes / shape[0])  // of an element; of a row
        return header.isFortranOrder
            ? Stretches(
                start: header.dataOffset + rows.lowerBound * size, length: rows.count * size, stride: shape[0] * size,
                count: others / size)
            : Stretches(
                start: header.dataOffset + rows.lowerBound * others, length: rows.count * others,
                stride: rows.count * others, count: 1)
    }

    /// The array of `rows` rows, from the bytes of their stretches, one after the other.
    package func array(rows: Int, bytes: [UInt8]) -> NPYArray {
        var header = self.header
        header.shape[0] = rows
        return NPYArray(header, data: bytes)
    }
}
