// Lists of what is constant after a model is packed: matrices, rings of rows, blocks. A step reads thousands of their
// elements, so a list is plain data that points into a storage, and an element is read in place: a block has hundreds
// of bytes, of which a product takes a few. The list stands in the module that reads it, since the compiler does not
// inline a generic subscript of another: those calls and the copies took a twentieth of a step.

import PixelCNNKernels

/// Elements in a ``ConstantStorage``, which must be kept alive.
struct ConstantList<Element: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable, RandomAccessCollection {
    let base: UnsafePointer<Element>
    let count: Int

    var startIndex: Int { 0 }
    var endIndex: Int { count }

    subscript(place: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(place >= 0 && place < count)
            return base + place
        }
    }

    var byteCount: Int { count * MemoryLayout<Element>.stride }
}

extension ConstantStorage {
    /// A copy of the elements.
    func list<Element: BitwiseCopyable>(_ elements: some Collection<Element>) -> ConstantList<Element> {
        ConstantList(base: copy(elements), count: elements.count)
    }
}
