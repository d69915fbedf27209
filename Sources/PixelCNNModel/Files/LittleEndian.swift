// Bounds-checked little-endian reads from bytes that nobody has vouched for.

extension UnsafeRawBufferPointer {
    /// The integer at `offset`, or nil where it is not wholly inside the buffer.
    func littleEndian<T: FixedWidthInteger>(at offset: Int, as type: T.Type = T.self) -> T? {
        guard offset >= 0, offset <= count, count - offset >= MemoryLayout<T>.size else { return nil }
        return T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
