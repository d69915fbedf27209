// A named view of numbers: either a strided window on a file's bytes, or an array of its own; with the arithmetic of
// shapes and the types of elements.
//
// A view costs nothing until its numbers are asked for; then `withFloats` hands out the file's own bytes where they
// already are row-major float32, and `floats` copies and converts. Bounds are proven when the view is made.

/// One tensor of a model: name, element type, shape, and where its elements are.
package struct Tensor: Sendable {
    private enum Storage: Sendable {
        case file(ModelFile, byteOffset: Int, Reading)
        case owned([Float])
    }

    /// How the file's bytes become numbers, beside the element type.
    struct Reading: OptionSet, Sendable {
        let rawValue: UInt8
        /// The tensor is a view of the negated numbers.
        static let negated = Reading(rawValue: 1)
        /// The most significant byte comes first.
        static let bigEndian = Reading(rawValue: 2)
    }

    /// Name in the file, prefixes such as `module.` removed.
    package let name: String
    /// Type of the stored elements.
    package let elementType: ElementType
    /// Extent of each dimension; empty for a scalar.
    package let shape: [Int]
    /// Distance between neighbours along each dimension, in elements.
    package let strides: [Int]
    private let storage: Storage

    /// A row-major float32 tensor that owns its numbers; `floats` must hold exactly the product of `shape`.
    package init(name: String, shape: [Int], floats: [Float]) {
        precondition(Shape.count(shape) == floats.count, "\(floats.count) numbers for shape \(Shape.text(shape))")
        self.name = name
        elementType = .f32
        self.shape = shape
        strides = Shape.rowMajorStrides(shape)
        storage = .owned(floats)
    }

    /// A view of a file's bytes, or nil unless every element it reaches lies inside `bytes`, the file's range of its
    /// storage.
    init?(
        name: String, elementType: ElementType, shape: [Int], strides: [Int], elementOffset: Int, file: ModelFile,
        bytes: Range<Int>, reading: Reading = []
    ) {
        guard shape.count == strides.count, elementOffset >= 0, bytes.lowerBound >= 0,
            bytes.upperBound <= file.bytes.count,
            let count = Shape.count(shape), let reach = Shape.reach(shape, strides: strides)
        else { return nil }
        let capacity = bytes.count / elementType.size
        let (last, overflow) = elementOffset.addingReportingOverflow(reach)
        guard !overflow, count == 0 ? elementOffset <= capacity : last < capacity else { return nil }
        self.name = name
        self.elementType = elementType
        self.shape = shape
        // A dimension of one element is never stepped along, so files may hold any stride there.
        let rowMajor = Shape.rowMajorStrides(shape)
        self.strides = shape.indices.map { shape[$0] > 1 ? strides[$0] : rowMajor[$0] }
        storage = .file(file, byteOffset: bytes.lowerBound + elementOffset * elementType.size, reading)
    }

    private init(_ tensor: Tensor, name: String) {
        self.name = name
        elementType = tensor.elementType
        shape = tensor.shape
        strides = tensor.strides
        storage = tensor.storage
    }

    /// The same tensor under another name.
    func renamed(_ name: String) -> Tensor { Tensor(self, name: name) }

    /// Number of elements.
    package var count: Int { shape.reduce(1, *) }

    /// Whether the elements lie row-major without gaps.
    package var isContiguous: Bool {
        let rowMajor = Shape.rowMajorStrides(shape)
        return shape.indices.allSatisfy { shape[$0] <= 1 || strides[$0] == rowMajor[$0] }
    }
}

// MARK: - Numbers

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

    /// The file's bytes, where they are the numbers, row-major without gaps; nil for owned or strided tensors.
    var contiguousBytes: UnsafeRawBufferPointer? {
        guard case .file(let file, let byteOffset, []) = storage, isContiguous else { return nil }
        return UnsafeRawBufferPointer(rebasing: file.bytes[byteOffset..<byteOffset + count * elementType.size])
    }

    /// The first row-major index whose element, converted as by `floats`, meets the condition; nothing is allocated.
    func firstIndex(where condition: (Int, Float) -> Bool) -> Int? {
        switch storage {
        case .owned(let floats):
            return floats.indices.first { condition($0, floats[$0]) }
        case .file(let file, let byteOffset, let reading):
            let base = UnsafeRawBufferPointer(rebasing: file.bytes[byteOffset...])
            return switch elementType {
            case .f64: walk(base, reading, { Float(Double(bitPattern: $0)) }, condition)
            case .f32: walk(base, reading, { Float(bitPattern: $0) }, condition)
            case .f16: walk(base, reading, { Float(Float16(bitPattern: $0)) }, condition)
            case .bf16: walk(base, reading, { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }, condition)
            case .i64: walk(base, reading, { (value: Int64) in Float(value) }, condition)
            case .i32: walk(base, reading, { (value: Int32) in Float(value) }, condition)
            case .i16: walk(base, reading, { (value: Int16) in Float(value) }, condition)
            case .i8: walk(base, reading, { (value: Int8) in Float(value) }, condition)
            case .u8, .bool: walk(base, reading, { (value: UInt8) in Float(value) }, condition)
            }
        }
    }

    /// Walks the shape like an odometer: the last dimension as a loop, the others by carrying.
    private func walk<Raw: FixedWidthInteger>(
        _ base: UnsafeRawBufferPointer, _ reading: Reading, _ convert: (Raw) -> Float,
        _ condition: (Int, Float) -> Bool
    ) -> Int? {
        guard count > 0 else { return nil }
        let isBigEndian = reading.contains(.bigEndian)
        let isNegated = reading.contains(.negated)
        let columns = shape.last ?? 1
        let columnStride = strides.last ?? 0
        var position = [Int](repeating: 0, count: shape.count)
        var start = 0  // element offset of position, its last coordinate 0
        var index = 0
        while true {
            for column in 0..<columns {
                let byte = (start + column * columnStride) * MemoryLayout<Raw>.size
                let raw = base.loadUnaligned(fromByteOffset: byte, as: Raw.self)
                let value = convert(isBigEndian ? Raw(bigEndian: raw) : Raw(littleEndian: raw))
                if condition(index, isNegated ? -value : value) { return index }
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

// MARK: - Shapes and types

enum Shape {
    /// Most dimensions a tensor may have; the network's have at most four.
    static let maximumRank = 8

    /// Product of the extents, or nil where one is negative or the product of the others than 0 does not fit: an empty
    /// tensor's strides must fit, too.
    static func count(_ shape: [Int]) -> Int? {
        var count = 1
        for extent in shape {
            guard extent >= 0 else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: max(extent, 1))
            guard !overflow else { return nil }
            count = product
        }
        return shape.contains(0) ? 0 : count
    }

    /// Bytes of so many elements, or nil where the product does not fit.
    static func byteCount(_ count: Int, of type: ElementType) -> Int? {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: type.size)
        return overflow ? nil : bytes
    }

    /// Strides, in elements, of a row-major tensor whose `count` is known to fit.
    static func rowMajorStrides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() {
            strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
        }
        return strides
    }

    /// Largest element offset that the strides reach from 0, or nil where one is negative or the sum does not fit.
    static func reach(_ shape: [Int], strides: [Int]) -> Int? {
        var reach = 0
        for (extent, stride) in zip(shape, strides) where extent > 1 {
            guard stride >= 0 else { return nil }
            let (span, spanOverflow) = (extent - 1).multipliedReportingOverflow(by: stride)
            let (sum, sumOverflow) = reach.addingReportingOverflow(span)
            guard !spanOverflow, !sumOverflow else { return nil }
            reach = sum
        }
        return reach
    }

    /// A shape as Python prints it: `(60, 3, 7, 7)`.
    static func text(_ shape: [Int]) -> String {
        shape.count == 1 ? "(\(shape[0]),)" : "(\(shape.map(String.init).joined(separator: ", ")))"
    }

    /// Row-major position of a flat index, for messages.
    static func position(_ index: Int, in shape: [Int]) -> [Int] {
        var rest = index
        var position = [Int](repeating: 0, count: shape.count)
        for axis in shape.indices.reversed() {
            position[axis] = rest % shape[axis]
            rest /= shape[axis]
        }
        return position
    }
}

/// Type of a tensor's elements.
package enum ElementType: String, Sendable, CaseIterable {
    /// 64-bit float.
    case f64
    /// 32-bit float.
    case f32
    /// 16-bit IEEE float.
    case f16
    /// The upper half of a 32-bit float.
    case bf16
    /// Signed 64-bit integer.
    case i64
    /// Signed 32-bit integer.
    case i32
    /// Signed 16-bit integer.
    case i16
    /// Signed 8-bit integer.
    case i8
    /// Unsigned 8-bit integer.
    case u8
    /// A byte, 0 or 1.
    case bool

    /// Bytes an element takes.
    package var size: Int {
        switch self {
        case .f64, .i64: 8
        case .f32, .i32: 4
        case .f16, .bf16, .i16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// What PyTorch calls it.
    package var pyTorchName: String {
        switch self {
        case .f64: "float64"
        case .f32: "float32"
        case .f16: "float16"
        case .bf16: "bfloat16"
        case .i64: "int64"
        case .i32: "int32"
        case .i16: "int16"
        case .i8: "int8"
        case .u8: "uint8"
        case .bool: "bool"
        }
    }

    /// Whether weights may be of this type.
    package var isFloatingPoint: Bool {
        switch self {
        case .f64, .f32, .f16, .bf16: true
        case .i64, .i32, .i16, .i8, .u8, .bool: false
        }
    }
}
