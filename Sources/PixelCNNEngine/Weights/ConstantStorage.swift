// Memory that is filled while a model is packed and only read afterwards, by all threads. What points into it is plain
// data: a step reads thousands of matrices, and counting references to each would cost a twentieth of it, more where
// two threads count at once.

/// Owns what it hands out: who keeps a pointer into it keeps it alive, too. Filled by one thread.
final class ConstantStorage: @unchecked Sendable {
    private var pieces: [UnsafeMutableRawPointer] = []

    /// `count` floats, zero but for what `initialize` sets, aligned to a cache line.
    func floats(count: Int, initialize: (UnsafeMutablePointer<Float>) -> Void) -> ConstantFloats {
        let floats = allocate(count, of: Float.self)
        floats.initialize(repeating: 0, count: count)
        initialize(floats)
        return ConstantFloats(base: UnsafePointer(floats), count: count)
    }

    /// `count` words, zero but for what `initialize` sets, aligned to a cache line.
    func words(count: Int, initialize: (UnsafeMutablePointer<UInt32>) -> Void) -> ConstantList<UInt32> {
        let words = allocate(count, of: UInt32.self)
        words.initialize(repeating: 0, count: count)
        initialize(words)
        return ConstantList(base: UnsafePointer(words), count: count)
    }

    /// A copy of the values.
    func floats(_ values: some Collection<Float>) -> ConstantFloats {
        floats(count: values.count) { base in
            for (i, value) in values.enumerated() { base[i] = value }
        }
    }

    /// A copy of the elements.
    func list<Element: BitwiseCopyable>(_ elements: [Element]) -> ConstantList<Element> {
        let copy = allocate(elements.count, of: Element.self)
        for (i, element) in elements.enumerated() { (copy + i).initialize(to: element) }
        return ConstantList(base: UnsafePointer(copy), count: elements.count)
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

/// Floats in a ``ConstantStorage``.
struct ConstantFloats: @unchecked Sendable, BitwiseCopyable {
    let base: UnsafePointer<Float>
    let count: Int

    var byteCount: Int { count * MemoryLayout<Float>.stride }
}

/// Elements in a ``ConstantStorage``.
struct ConstantList<Element: BitwiseCopyable>: @unchecked Sendable, BitwiseCopyable, RandomAccessCollection {
    let base: UnsafePointer<Element>
    let count: Int

    fileprivate init(base: UnsafePointer<Element>, count: Int) {
        (self.base, self.count) = (base, count)
    }

    var startIndex: Int { 0 }
    var endIndex: Int { count }

    subscript(place: Int) -> Element {
        precondition(place >= 0 && place < count)
        return base[place]
    }
}
