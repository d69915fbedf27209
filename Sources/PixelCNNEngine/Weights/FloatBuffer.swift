// Floats with a fixed place: zeroed, aligned to a cache line, freed with their owner. Everything the kernels touch
// lives in one, allocated when a model is packed or an image is admitted, never in a step.

/// Constant itself; who may write the floats, and when, is its owner's business.
final class FloatBuffer: @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>
    let count: Int

    /// `count` zeros.
    init(count: Int) {
        precondition(count >= 0)
        self.count = count
        let bytes = max(count, 1) * MemoryLayout<Float>.stride
        base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
            .initializeMemory(as: Float.self, repeating: 0, count: max(count, 1))
    }

    /// `count` floats that are written before they are read.
    init(uninitializedCount count: Int) {
        precondition(count > 0)
        self.count = count
        base = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
            .bindMemory(to: Float.self, capacity: count)
    }

    convenience init(_ values: some Collection<Float>) {
        self.init(count: values.count)
        for (i, value) in values.enumerated() { base[i] = value }
    }

    deinit {
        UnsafeMutableRawPointer(base).deallocate()
    }

    /// Sets every float to zero.
    func clear() {
        base.update(repeating: 0, count: count)
    }
}

extension Int {
    /// This many floats in whole vectors of 16 lanes.
    var roundedUpToLanes: Int { (self + Kernels.lanes - 1) / Kernels.lanes * Kernels.lanes }
}
