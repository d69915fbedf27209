// An array read from NumPy's .npy format, versions 1.0, 2.0 and 3.0. Elements are brought to C order and little-endian,
// booleans to 0 and 1, once, here, so that everything after it reads them in one way. Costs one copy of the data, two
// for Fortran order. Nothing is allocated before the file's length is known to match its header.

/// An n-dimensional array of numbers read from a NumPy `.npy` file.
package struct NPYArray: Sendable {
    /// The extent of each dimension, outermost first. Empty for a single number.
    package let shape: [Int]

    /// What each element is.
    package let elementType: ElementType

    /// The elements in C order, little-endian, without gaps: (product of `shape`, `elementType.size`).
    let bytes: [UInt8]

    /// The number of elements: the product of `shape`.
    package var count: Int { bytes.count / elementType.size }

    /// Reads a whole `.npy` file.
    ///
    /// - Throws: `NPYError` saying what is wrong: not an NPY file, a version, type or shape that is not supported, or a
    ///   length that differs from what the header promises. Bytes after the data are an error, too.
    package init(parsing bytes: [UInt8]) throws(NPYError) {
        try self.init(parsing: bytes.span.bytes)
    }

    /// Reads a whole `.npy` file that lies in memory owned by the caller, which is not used after the call.
    ///
    /// - Throws: `NPYError`, as `init(parsing:)` of an array of bytes does.
    package init(parsing bytes: UnsafeRawBufferPointer) throws(NPYError) {
        try self.init(parsing: bytes.bytes)
    }

    /// Reads a whole `.npy` file from a span of memory.
    ///
    /// - Throws: `NPYError`, as `init(parsing:)` of an array of bytes does.
    package init(parsing file: RawSpan) throws(NPYError) {
        let header = try NPYHeader(parsing: file)
        let size = header.elementType.size
        let expected = try Self.byteCount(shape: header.shape, elementSize: size)
        let found = file.byteCount - header.dataOffset
        guard found == expected else {
            throw .lengthMismatch(
                shape: header.shape, elementType: header.elementType, expected: expected, found: found)
        }

        self.init(header, data: file.extracting(droppingFirst: header.dataOffset).withUnsafeBytes { Array($0) })
    }

    /// An array of as many bytes as the header says, in the header's order.
    init(_ header: NPYHeader, data: [UInt8]) {
        let size = header.elementType.size
        var bytes = data
        if header.isBigEndian { Self.reverseElements(&bytes, size: size) }
        if header.elementType == .bool {
            for index in bytes.indices where bytes[index] > 1 { bytes[index] = 1 }
        }
        if header.isFortranOrder { bytes = Self.reordered(bytes, fromFortranOrder: header.shape, size: size) }
        shape = header.shape
        elementType = header.elementType
        self.bytes = bytes
    }

    /// Bytes of an array of `shape`, or an error where that overflows.
    static func byteCount(shape: [Int], elementSize: Int) throws(NPYError) -> Int {
        var total = elementSize
        for extent in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw .shapeTooLarge(shape) }
            total = product
        }
        return total
    }

    /// Turns elements of `size` bytes between big and little endian, in place.
    private static func reverseElements(_ bytes: inout [UInt8], size: Int) {
        guard size > 1 else { return }
        for start in stride(from: 0, to: bytes.count, by: size) {
            for offset in 0..<size / 2 {
                bytes.swapAt(start + offset, start + size - 1 - offset)
            }
        }
    }

    /// Copies an array whose first index runs fastest into one whose last index does.
    private static func reordered(_ source: [UInt8], fromFortranOrder shape: [Int], size: Int) -> [UInt8] {
        guard shape.count > 1, !source.isEmpty else { return source }
        // Bytes between neighbours along each dimension of `source`. No dimension is 0 here, and the product of all was
        // checked, so none of this overflows.
        var strides: [Int] = []
        var step = size
        for extent in shape {
            strides.append(step)
            step *= extent
        }

        var result: [UInt8] = []
        result.reserveCapacity(source.count)
        var index = [Int](repeating: 0, count: shape.count)
        var position = 0  // of `index`, in bytes of `source`
        while true {
            for offset in position..<position + size { result.append(source[offset]) }
            // Count `index` up like an odometer, last dimension first.
            var dimension = shape.count - 1
            while index[dimension] == shape[dimension] - 1 {
                position -= index[dimension] * strides[dimension]
                index[dimension] = 0
                if dimension == 0 { return result }
                dimension -= 1
            }
            index[dimension] += 1
            position += strides[dimension]
        }
    }
}
