// A named view of numbers: either a strided window on a mapped file, or an array of its own.
//
// A view costs nothing until its numbers are asked for; then `withFloats` hands out the file's own pages where they
// already are row-major float32, and `floats` copies and converts. Bounds are proven when the view is made.

/// One tensor of a model: name, element type, shape, and where its elements are.
package struct Tensor: Sendable {
    enum Storage: Sendable {
        case mapped(MappedFile, byteOffset: Int)
        case owned([Float])
    }

    /// Name in the file, prefixes such as `module.` removed.
    package let name: String
    /// Type of the stored elements.
    package let elementType: ElementType
    /// Extent of each dimension; empty for a scalar.
    package let shape: [Int]
    /// Distance between neighbours along each dimension, in elements.
    package let strides: [Int]
    let storage: Storage

    /// A row-major float32 tensor that owns its numbers; `floats` must hold exactly the product of `shape`.
    package init(name: String, shape: [Int], floats: [Float]) {
        precondition(Shape.count(shape) == floats.count, "\(floats.count) numbers for shape \(Shape.text(shape))")
        self.name = name
        elementType = .f32
        self.shape = shape
        strides = Shape.rowMajorStrides(shape)
        storage = .owned(floats)
    }

    /// A view of mapped bytes, or nil unless every element it reaches lies inside `bytes`, the file's range of its
    /// storage.
    init?(
        name: String, elementType: ElementType, shape: [Int], strides: [Int], elementOffset: Int, file: MappedFile,
        bytes: Range<Int>
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
        storage = .mapped(file, byteOffset: bytes.lowerBound + elementOffset * elementType.size)
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
