// Reading a tensor's numbers, whatever their type, stride and alignment. One pass, one element at a time except where
// the stored form is already what is asked for.

extension Tensor {
    /// A row-major copy, converted to float32: exact for f16, bf16, bool and 8- and 16-bit integers, rounded to nearest
    /// for f64 and wider integers.
    package func floats() -> [Float] {
        if case .owned(let floats) = storage { return floats }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            if elementType == .f32, let bytes = contiguousBytes {
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
            } else {
                _ = firstIndex { index, value in
                    buffer.initializeElement(at: index, to: value)
                    return false
                }
            }
            initialized = count
        }
    }

    /// Calls `body` with the row-major float32 elements; no copy where the file already holds them so and aligned.
    ///
    /// The buffer is valid only during the call.
    package func withFloats<R>(_ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
        if elementType == .f32, let bytes = contiguousBytes, let address = bytes.baseAddress,
            Int(bitPattern: address) % MemoryLayout<Float>.alignment == 0
        {
            return try body(bytes.bindMemory(to: Float.self))
        }
        return try floats().withUnsafeBufferPointer(body)
    }

    /// The mapped bytes, where they are row-major without gaps; nil for owned or strided tensors.
    var contiguousBytes: UnsafeRawBufferPointer? {
        guard case .mapped(let file, let byteOffset) = storage, isContiguous else { return nil }
        return UnsafeRawBufferPointer(rebasing: file.bytes[byteOffset..<byteOffset + count * elementType.size])
    }

    /// The first row-major index whose element, converted as by `floats`, meets the condition; nothing is allocated.
    func firstIndex(where condition: (Int, Float) -> Bool) -> Int? {
        switch storage {
        case .owned(let floats):
            return floats.indices.first { condition($0, floats[$0]) }
        case .mapped(let file, let byteOffset):
            let base = UnsafeRawBufferPointer(rebasing: file.bytes[byteOffset...])
            return switch elementType {
            case .f64: walk(base, { Float(Double(bitPattern: $0)) }, condition)
            case .f32: walk(base, { Float(bitPattern: $0) }, condition)
            case .f16: walk(base, { Float(Float16(bitPattern: $0)) }, condition)
            case .bf16: walk(base, { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }, condition)
            case .i64: walk(base, { (value: Int64) in Float(value) }, condition)
            case .i32: walk(base, { (value: Int32) in Float(value) }, condition)
            case .i16: walk(base, { (value: Int16) in Float(value) }, condition)
            case .i8: walk(base, { (value: Int8) in Float(value) }, condition)
            case .u8, .bool: walk(base, { (value: UInt8) in Float(value) }, condition)
            }
        }
    }

    /// Walks the shape like an odometer: the last dimension as a loop, the others by carrying.
    private func walk<Raw: FixedWidthInteger>(
        _ base: UnsafeRawBufferPointer, _ convert: (Raw) -> Float, _ condition: (Int, Float) -> Bool
    ) -> Int? {
        guard count > 0 else { return nil }
        let columns = shape.last ?? 1
        let columnStride = strides.last ?? 0
        var position = [Int](repeating: 0, count: shape.count)
        var start = 0  // element offset of position, its last coordinate 0
        var index = 0
        while true {
            for column in 0..<columns {
                let byte = (start + column * columnStride) * MemoryLayout<Raw>.size
                let raw = base.loadUnaligned(fromByteOffset: byte, as: Raw.self)
                if condition(index, convert(Raw(littleEndian: raw))) { return index }
                index += 1
            }
            var axis = shape.count - 2
            while axis >= 0 {
                position[axis] += 1
                start += strides[axis]
                if position[axis] < shape[axis] { break }
                start -= shape[axis] * strides[axis]
                position[axis] = 0
                axis -= 1
            }
            if axis < 0 { return nil }
        }
    }
}
