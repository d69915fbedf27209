// Memory for what the kernels touch: slices of one zeroed allocation, carved once, never in a step. The same code that
// carves also measures: an arena without memory hands out addresses that nobody may touch, and counts.

import CPixelKernels

/// Floats with fixed places, freed together with their owner.
final class Arena {
    private let memory: UnsafeMutableRawPointer?
    private let capacity: Int
    private(set) var byteCount = 0

    /// An arena that only counts.
    init() { (memory, capacity) = (nil, 0) }

    /// Zeros for the slices that a measuring arena counted.
    init(byteCount: Int) {
        capacity = byteCount
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        self.memory = memory
    }

    deinit { memory?.deallocate() }

    /// The next `count` floats, on a cache line of their own. A vector's worth lies beyond them, since products write
    /// whole vectors.
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        let start = byteCount
        byteCount += (count.inWholeVectors + lanes) * MemoryLayout<Float>.stride
        precondition(memory == nil || byteCount <= capacity, "the arena was measured with less")
        guard let address = memory.map({ $0 + start }) ?? UnsafeMutableRawPointer(bitPattern: 64 + start) else {
            preconditionFailure("64 and more is no null pointer")
        }
        return address.assumingMemoryBound(to: Float.self)
    }

    /// What `make` carves, in an arena of just that size.
    static func fitting<Contents>(_ make: (Arena) -> Contents) -> (arena: Arena, contents: Contents) {
        let arena = Arena(byteCount: measure { _ = make($0) })
        return (arena, make(arena))
    }

    /// Bytes that `make` carves.
    static func measure(_ make: (Arena) -> Void) -> Int {
        let counting = Arena()
        make(counting)
        return counting.byteCount
    }
}

/// Floats in a vector, on every instruction set.
let lanes = Int(PIXEL_LANES)

extension Int {
    /// This many floats in whole vectors.
    var inWholeVectors: Int { (self + lanes - 1) / lanes * lanes }
}
