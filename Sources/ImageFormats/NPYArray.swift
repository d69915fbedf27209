// An array in NumPy's .npy format: versions 1.0, 2.0 and 3.0 are read, 1.0 is written, byte for byte as NumPy's save
// writes it, header padding included.
//
// Elements are brought to C order and little-endian, booleans to 0 and 1, once, when they are read. Costs one copy of
// the data, two for Fortran order. Nothing is allocated before the file's length is known to match its header. Each
// access is one pass over the elements into a new array, no wider than it needs to be, which checks the range on the
// way.

/// An n-dimensional array of numbers read from a NumPy `.npy` file.
package struct NPYArray: Sendable {
    /// Whether a file begins as an array does.
    package static func isBeginning(of bytes: [UInt8]) -> Bool { bytes.starts(with: NPYHeader.magic) }

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

    // MARK: - Elements

    /// The elements in C order. Booleans are 0 and 1.
    ///
    /// - Throws: `NPYError.notIntegers` for floating-point arrays, even of whole numbers, and `.valueOutOfRange` for a
    ///   uint64 that exceeds `Int.max`.
    package func integers() throws(NPYError) -> [Int] {
        try integers(as: Int.self, in: Int.min...Int.max)
    }

    /// The elements in C order, each within `range`. Booleans are 0 and 1.
    ///
    /// `range` must lie within what `type` can represent. Compiled ahead for the types that images use; for others the
    /// call from another module is generic, and a hundred times slower.
    ///
    /// - Throws: `NPYError.valueOutOfRange` with the first element outside `range` and its index;
    ///   `NPYError.notIntegers` for floating-point arrays, even of whole numbers.
    @specialized(where T == UInt8)
    @specialized(where T == UInt16)
    @specialized(where T == Int)
    package func integers<T: FixedWidthInteger>(
        as type: T.Type, in range: ClosedRange<Int>
    ) throws(NPYError) -> [T] {
        precondition(
            T(exactly: range.lowerBound) != nil && T(exactly: range.upperBound) != nil,
            "\(range) exceeds \(T.self)")
        return switch elementType {
        case .bool, .uint8: try convert(from: UInt8.self, in: range)
        case .uint16: try convert(from: UInt16.self, in: range)
        case .uint32: try convert(from: UInt32.self, in: range)
        case .uint64: try convert(from: UInt64.self, in: range)
        case .int8: try convert(from: Int8.self, in: range)
        case .int16: try convert(from: Int16.self, in: range)
        case .int32: try convert(from: Int32.self, in: range)
        case .int64: try convert(from: Int64.self, in: range)
        case .float16, .float32, .float64: throw .notIntegers(elementType)
        }
    }

    /// Which elements are not 0, in C order.
    ///
    /// - Throws: `NPYError.notIntegers` for floating-point arrays, even of whole numbers.
    package func nonzero() throws(NPYError) -> [Bool] {
        switch elementType {
        case .float16, .float32, .float64: throw .notIntegers(elementType)
        default: break
        }
        let size = elementType.size
        return (0..<count).map { element in (0..<size).contains { bytes[element * size + $0] != 0 } }
    }

    /// The elements in C order, rounded to the nearest `Float`. Booleans are 0 and 1.
    package func floats() -> [Float] {
        switch elementType {
        case .bool, .uint8: elements(UInt8.self).map { Float($0) }
        case .uint16: elements(UInt16.self).map { Float($0) }
        case .uint32: elements(UInt32.self).map { Float($0) }
        case .uint64: elements(UInt64.self).map { Float($0) }
        case .int8: elements(Int8.self).map { Float($0) }
        case .int16: elements(Int16.self).map { Float($0) }
        case .int32: elements(Int32.self).map { Float($0) }
        case .int64: elements(Int64.self).map { Float($0) }
        case .float16: elements(UInt16.self).map { Float(Float16(bitPattern: $0)) }
        case .float32: elements(UInt32.self).map { Float(bitPattern: $0) }
        case .float64: elements(UInt64.self).map { Float(Double(bitPattern: $0)) }
        }
    }

    private func convert<Source: FixedWidthInteger & BitwiseCopyable, T: FixedWidthInteger>(
        from source: Source.Type, in range: ClosedRange<Int>
    ) throws(NPYError) -> [T] {
        var result: [T] = []
        result.reserveCapacity(count)
        for value in elements(source) {
            guard let integer = Int(exactly: value), range.contains(integer) else {
                throw .valueOutOfRange(value: "\(value)", index: index(ofElement: result.count), allowed: range)
            }
            result.append(T(truncatingIfNeeded: integer))
        }
        return result
    }

    /// The elements' bit patterns, read one by one, so that nothing is copied before it is converted.
    private func elements<Source: FixedWidthInteger & BitwiseCopyable>(
        _ type: Source.Type
    ) -> some Sequence<Source> {
        (0..<count).lazy.map { element in
            Source(
                littleEndian: bytes.span.bytes.unsafeLoadUnaligned(
                    fromByteOffset: element * MemoryLayout<Source>.size, as: Source.self))
        }
    }

    /// The index along each dimension of the element at `position` in C order.
    private func index(ofElement position: Int) -> [Int] {
        var rest = position
        var index = shape
        for dimension in shape.indices.reversed() {
            index[dimension] = rest % shape[dimension]
            rest /= shape[dimension]
        }
        return index
    }

    // MARK: - Encoding

    /// A `.npy` file of dtype uint8. `values` are in C order, as many as `shape` holds.
    package static func encode(_ values: [UInt8], shape: [Int]) -> [UInt8] {
        var file = header(.uint8, shape: shape, count: values.count)
        file.append(contentsOf: values)
        return file
    }

    /// A `.npy` file of dtype uint16, little-endian. `values` are in C order, as many as `shape` holds.
    package static func encode(_ values: [UInt16], shape: [Int]) -> [UInt8] {
        header(.uint16, shape: shape, count: values.count) + bytes(of: values, type: .uint16)
    }

    /// The data of a file, for files that are written in pieces. `type` is uint8, for values below 256, or uint16.
    package static func bytes(of values: [UInt16], type: ElementType) -> [UInt8] {
        if type == .uint8 { return values.map { UInt8($0) } }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(2 * values.count)
        for value in values { append(value, to: &bytes) }
        return bytes
    }

    /// A `.npy` file of dtype float32, little-endian. `values` are in C order, as many as `shape` holds.
    package static func encode(_ values: [Float], shape: [Int]) -> [UInt8] {
        header(.float32, shape: shape, count: values.count) + bytes(of: values)
    }

    /// The data of such a file.
    package static func bytes(of values: [Float]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * values.count)
        for value in values { append(value.bitPattern, to: &bytes) }
        return bytes
    }

    private static func append(_ value: some FixedWidthInteger, to file: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { file.append(contentsOf: $0) }
    }

    /// The file up to its data, with room reserved for the data.
    private static func header(_ type: ElementType, shape: [Int], count: Int) -> [UInt8] {
        precondition(
            shape.count <= NPYHeader.dimensionLimit && shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == count,
            "\(count) values for shape \(shape)")
        var file = header(type, shape: shape)
        file.reserveCapacity(file.count + count * type.size)
        return file
    }

    /// The file up to its data: for files that are written in pieces. Multi-byte elements are little-endian.
    package static func header(_ type: ElementType, shape: [Int]) -> [UInt8] {
        let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var text = "{'descr': '\(type.descr)', 'fortran_order': False, 'shape': (\(extents)), }"
        // NumPy leaves room for the first dimension to grow to 21 digits, so that rows can be appended in place …
        if let first = shape.first { text += String(repeating: " ", count: 21 - String(first).utf8.count) }
        // … and then pads with 1 to 64 spaces, so that the data begins at a multiple of 64.
        let prefix = NPYHeader.magic.count + 4
        text += String(repeating: " ", count: 64 - (prefix + text.utf8.count + 1) % 64) + "\n"

        var file: [UInt8] = NPYHeader.magic + [1, 0]
        append(UInt16(text.utf8.count), to: &file)
        file += text.utf8
        return file
    }
}

/// Why a `.npy` file was refused.
package enum NPYError: Error, Sendable, Equatable {
    /// The first bytes are not those of an NPY file.
    case notNPY
    /// A format version other than 1.0, 2.0 and 3.0.
    case unsupportedVersion(major: UInt8, minor: UInt8)
    /// The file ends inside its header.
    case truncatedHeader(expected: Int, found: Int)
    /// The header claims to be longer than any real one.
    case headerTooLong(length: Int, limit: Int)
    /// The header is not the dictionary it should be; `offset` counts its bytes from 0.
    case malformedHeader(reason: String, offset: Int)
    /// The header has a key beside descr, fortran_order and shape.
    case unexpectedKey(String)
    /// The header has a key twice.
    case duplicateKey(String)
    /// The header lacks a key.
    case missingKey(String)
    /// The elements are pickled Python objects.
    case objectArray
    /// The elements are structures or sub-arrays.
    case structuredType
    /// The elements are of a type that is not read here.
    case unsupportedType(String)
    /// A dimension is negative.
    case negativeDimension(String)
    /// There are more dimensions than NumPy has.
    case tooManyDimensions(limit: Int)
    /// The number of bytes overflows.
    case shapeTooLarge([Int])
    /// The data is shorter or longer than shape and element type say; lengths in bytes.
    case lengthMismatch(shape: [Int], elementType: NPYArray.ElementType, expected: Int, found: Int)
    /// Integers were requested of an array of floating-point numbers.
    case notIntegers(NPYArray.ElementType)
    /// A value lies outside the requested range; the first one, with its index along each dimension.
    case valueOutOfRange(value: String, index: [Int], allowed: ClosedRange<Int>)
}

extension NPYError: CustomStringConvertible {
    /// One line that says what was found, what is allowed and, where it is not plain, what to do.
    package var description: String {
        switch self {
        case .notNPY:
            "not an NPY file: it does not begin with \\x93NUMPY"
        case .unsupportedVersion(let major, let minor):
            "NPY format version \(major).\(minor); supported are 1.0, 2.0 and 3.0"
        case .truncatedHeader(let expected, let found):
            "NPY file ends inside its header: \(expected) bytes expected, \(found) found\(cure(expected, found))"
        case .headerTooLong(let length, let limit):
            "NPY header of \(length) bytes; at most \(limit) are allowed"
        case .malformedHeader(let reason, let offset):
            "malformed NPY header: \(reason) at byte \(offset)"
        case .unexpectedKey(let key):
            "NPY header has the key '\(key)'; allowed are 'descr', 'fortran_order' and 'shape'"
        case .duplicateKey(let key):
            "NPY header has the key '\(key)' twice"
        case .missingKey(let key):
            "NPY header lacks the key '\(key)'"
        case .objectArray:
            "NPY array of Python objects ('|O'), which are never unpickled; save it with a numeric dtype"
        case .structuredType:
            "NPY array of structures; save its fields as separate arrays of a numeric dtype"
        case .unsupportedType(let descr):
            "NPY dtype '\(descr)'; supported are bool, int8 to int64, uint8 to uint64 and float16 to float64"
        case .negativeDimension(let digits):
            "NPY shape has the negative dimension \(digits)"
        case .tooManyDimensions(let limit):
            "NPY shape has more than \(limit) dimensions"
        case .shapeTooLarge(let shape):
            "NPY shape \(shape) is too large to address"
        case .lengthMismatch(let shape, let elementType, let expected, let found):
            "NPY data of shape \(shape) and dtype \(elementType.rawValue) takes \(expected) bytes; the file has "
                + "\(found)\(cure(expected, found))"
        case .notIntegers(let elementType):
            "NPY array of \(elementType.rawValue); an integer dtype is needed: save x.round().astype(\"uint8\"), or "
                + "(255 * x).round().astype(\"uint8\") of numbers from 0 to 1"
        case .valueOutOfRange(let value, let index, let allowed):
            "NPY value \(value) at \(index); allowed \(allowed.lowerBound) … \(allowed.upperBound)"
        }
    }

    /// What to do about a file of `found` bytes that should have `expected`.
    private func cure(_ expected: Int, _ found: Int) -> String {
        found < expected ? "; it is cut short: copy or download it again" : ""
    }
}
