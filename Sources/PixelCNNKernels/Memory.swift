// Memory for what the kernels touch, in whole vectors and on cache lines: a buffer for what changes, a storage for what
// is constant after a model is packed, an arena for the many slices of training. All of it is allocated when something
// begins, never in a step.

import CPixelKernels
import PixelCNNModel

extension Int {
    /// This many floats in whole vectors.
    @inlinable package var roundedUpToLanes: Int { (self + PIXEL_LANES - 1) / PIXEL_LANES * PIXEL_LANES }
}

/// Room for features that products, which write whole vectors, write group by group.
extension ColorGroups {
    /// A group's tanh half and sigmoid half, twice the largest group, in whole vectors.
    package var pair: Int { (2 * largest).roundedUpToLanes }

    /// The pairs of all groups.
    package var pairs: Int { count * pair }

    /// All channels, and whole vectors of what is left from each group on.
    package var room: Int {
        (0..<count).map { start($0) + (channels - start($0)).roundedUpToLanes }.max() ?? 0
    }
}

// MARK: - Buffers

/// Floats with a fixed place, aligned to a cache line, freed with their owner. Constant itself; who may write the
/// floats, and when, is its owner's business.
package final class FloatBuffer: @unchecked Sendable {
    package let base: UnsafeMutablePointer<Float>
    package let count: Int

    /// `count` zeros.
    package init(count: Int) {
        precondition(count >= 0)
        self.count = count
        let bytes = max(count, 1) * MemoryLayout<Float>.stride
        base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
            .initializeMemory(as: Float.self, repeating: 0, count: max(count, 1))
    }

    /// `count` floats that are written before they are read.
    package init(uninitializedCount count: Int) {
        precondition(count > 0)
        self.count = count
        base = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
            .bindMemory(to: Float.self, capacity: count)
    }

    package convenience init(_ values: some Collection<Float>) {
        self.init(count: values.count)
        for (i, value) in values.enumerated() { base[i] = value }
    }

    deinit {
        UnsafeMutableRawPointer(base).deallocate()
    }

    /// Sets every float to zero.
    package func clear() {
        base.update(repeating: 0, count: count)
    }
}

// MARK: - Constants

/// Owns memory that one thread fills while a model is packed and that all threads only read afterwards: who keeps a
/// pointer into it keeps it alive, too. What points into it is plain data: a step reads thousands of matrices, and
/// counting references to each would cost a twentieth of it, more where two threads count at once.
package final class ConstantStorage: @unchecked Sendable {
    private var pieces: [UnsafeMutableRawPointer] = []

    package init() {}

    /// `count` numbers, zero except for what `initialize` sets, aligned to a cache line.
    package func numbers<Number: Numeric & BitwiseCopyable>(
        _ count: Int, initialize: (UnsafeMutablePointer<Number>) -> Void
    ) -> UnsafePointer<Number> {
        let numbers = allocate(count, of: Number.self)
        numbers.initialize(repeating: 0, count: count)
        initialize(numbers)
        return UnsafePointer(numbers)
    }

    /// The first of copies of the elements.
    package func copy<Element: BitwiseCopyable>(_ elements: some Collection<Element>) -> UnsafePointer<Element> {
        let copy = allocate(elements.count, of: Element.self)
        for (i, element) in elements.enumerated() { (copy + i).initialize(to: element) }
        return UnsafePointer(copy)
    }

    private func allocate<Element>(_ count: Int, of type: Element.Type) -> UnsafeMutablePointer<Element> {
        let bytes = max(count, 1) * MemoryLayout<Element>.stride
        let piece = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        pieces.append(piece)
        return piece.bindMemory(to: type, capacity: max(count, 1))
    }

    deinit {
        for piece in pieces { piece.deallocate() }
    }
}

// MARK: - Arenas

/// Slices of one zeroed allocation, carved once and freed together. The same code that carves also measures: an arena
/// without memory hands out addresses that nobody may touch, and counts.
package final class Arena {
    private let memory: UnsafeMutableRawPointer?
    private let capacity: Int
    package private(set) var byteCount = 0

    private init() {
        memory = nil
        capacity = 0
    }

    private init(byteCount: Int) {
        capacity = byteCount
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        self.memory = memory
    }

    deinit { memory?.deallocate() }

    /// The next `count` floats, on a cache line of their own. A vector's worth lies beyond them, since products write
    /// whole vectors.
    package func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let start = byteCount
        byteCount += (count.roundedUpToLanes + Kernels.lanes) * MemoryLayout<Float>.stride
        precondition(memory == nil || byteCount <= capacity, "the arena was measured with less")
        guard let address = memory.map({ $0 + start }) ?? UnsafeMutableRawPointer(bitPattern: 64 + start) else {
            preconditionFailure("64 and more is no null pointer")
        }
        return address.assumingMemoryBound(to: Float.self)
    }

    /// What `make` carves, in an arena of just that size.
    package static func fitting<Contents>(_ make: (Arena) -> Contents) -> (arena: Arena, contents: Contents) {
        let arena = Arena(byteCount: measure { _ = make($0) })
        return (arena, make(arena))
    }

    /// Bytes that `make` carves.
    package static func measure(_ make: (Arena) -> Void) -> Int {
        let counting = Arena()
        make(counting)
        return counting.byteCount
    }
}
