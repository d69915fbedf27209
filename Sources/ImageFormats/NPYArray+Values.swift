// Elements as Swift numbers. Each call is one pass over the elements into a new array; `integers(as:in:)` makes that
// array no wider than it needs to be, and checks the range on the way, so images are read without a detour through Int.

extension NPYArray {
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
}
