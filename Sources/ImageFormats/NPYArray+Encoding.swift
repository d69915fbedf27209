// Writes .npy files byte for byte as NumPy's save does (version 1.0, C order, little-endian), header padding included,
// so that a file from here and one from NumPy compare equal.

extension NPYArray {
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
        var file = header(.float32, shape: shape, count: values.count)
        for value in values { append(value.bitPattern, to: &file) }
        return file
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
