// Arithmetic on shapes read from files: every product and sum is checked, since the numbers are anyone's.

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
