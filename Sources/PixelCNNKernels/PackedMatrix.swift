// A weight matrix in the order in which the kernels read it: panels of a few vectors of outputs, each (depth, lanes),
// so that the inner loop walks through memory. Outputs are padded with zeros to whole vectors. The engine packs its
// matrices once, at load; training packs its own anew after every step.

import CPixelKernels

/// The arithmetic of the products; each has values of its own, which every instruction set gives alike.
package enum Precision: String, Sendable, CaseIterable {
    /// float32, as in the file.
    case f32
    /// 16-bit integers with exact sums, twice as many per instruction: about 12 bits or more of every weight and input.
    case i16

    /// What to say of a name that is no more.
    package static let former = ["bf16": "bf16 is no more: i16 is faster and closer to f32"]
}

/// (lanes, depth) weights, packed as panels for one instruction set. Who keeps one keeps its memory alive, too.
package struct PackedMatrix: @unchecked Sendable, BitwiseCopyable {
    package enum Weights: BitwiseCopyable {
        case floats(UnsafePointer<Float>)
        case integers(UnsafePointer<UInt32>)  // in parts: scales, inverses, then weights of an even k and the next
    }

    package let weights: Weights
    package let depth: Int
    package let vectors: Int
    package let panel: Int  // vectors in the widest panel

    /// Bytes of the packed weights, padding included.
    package var byteCount: Int {
        switch weights {
        case .floats: vectors * Kernels.lanes * depth * MemoryLayout<Float>.stride
        case .integers: IntegerPacking.wordCount(vectors: vectors, depth: depth) * MemoryLayout<UInt32>.stride
        }
    }

    /// Packs `weight(lane, k)`, lane < `lanes`, k < `depth`, into `storage`; `forRows` where it mostly meets a row of
    /// columns rather than a pixel. With `inputBounds`, the largest magnitude of each input (depth), as integers.
    package init(
        kernels: Kernels, storage: ConstantStorage, lanes: Int, depth: Int, forRows: Bool = false,
        inputBounds: [Float]? = nil, weight: (_ lane: Int, _ k: Int) -> Float
    ) {
        let vectors = lanes.roundedUpToLanes / Kernels.lanes
        let panel = forRows ? kernels.table.pointee.narrow_panel : kernels.table.pointee.wide_panel
        let packed: Weights
        if let inputBounds {
            precondition(inputBounds.count == depth)
            let integers = IntegerPacking(vectors: vectors, panel: panel, lanes: lanes, inputBounds: inputBounds)
            packed = .integers(storage.numbers(integers.wordCount) { integers.write(weight, to: $0) })
        } else {
            packed = .floats(
                storage.numbers(vectors * Kernels.lanes * depth) { words in
                    Self.forEachWord(vectors, panel, lanes: lanes, steps: depth) { word, lane, k in
                        words[word] = weight(lane, k)
                    }
                })
        }
        self.init(weights: packed, depth: depth, vectors: vectors, panel: panel)
    }

    /// A matrix that mostly meets a few columns, whose weights are in `memory`, or will be.
    package init(kernels: Kernels, lanes: Int, depth: Int, memory: UnsafePointer<Float>) {
        self.depth = depth
        vectors = lanes.roundedUpToLanes / Kernels.lanes
        panel = kernels.table.pointee.wide_panel
        weights = .floats(memory)
    }

    /// Calls `body` with each panel's first lane and vectors. The panel's words begin at first lane · words of depth.
    @inlinable @inline(__always)
    package func forEachPanel(_ body: (_ firstLane: Int, _ vectors: Int) -> Void) {
        Self.forEachPanel(of: vectors, atMost: panel, body)
    }

    /// The panel at `firstLane`, of that many vectors, as a matrix of its own.
    @inlinable @inline(__always)
    package func floatPanel(firstLane: Int, vectors: Int) -> PackedMatrix {
        guard case .floats(let base) = weights else { preconditionFailure("of matrices of floats") }
        return PackedMatrix(weights: .floats(base + firstLane * depth), depth: depth, vectors: vectors, panel: panel)
    }

    @usableFromInline
    init(weights: Weights, depth: Int, vectors: Int, panel: Int) {
        self.weights = weights
        self.depth = depth
        self.vectors = vectors
        self.panel = panel
    }

    /// Each word that is not padding, of matrices of so many steps.
    fileprivate static func forEachWord(
        _ vectors: Int, _ panel: Int, lanes: Int, steps: Int, _ body: (_ word: Int, _ lane: Int, _ step: Int) -> Void
    ) {
        forEachPanel(of: vectors, atMost: panel) { first, vectors in
            let width = vectors * Kernels.lanes
            for step in 0..<steps {
                let word = first * steps + step * width
                for lane in first..<min(first + width, lanes) { body(word + lane - first, lane, step) }
            }
        }
    }

    @inlinable @inline(__always)
    static func forEachPanel(of vectors: Int, atMost panel: Int, _ body: (_ firstLane: Int, _ vectors: Int) -> Void) {
        var rest = vectors
        while rest > 0 {
            let width = pixel_panel_width(rest, panel)
            body((vectors - rest) * PIXEL_LANES, width)
            rest -= width
        }
    }
}

// MARK: - Integers

/// How a matrix becomes 16-bit integers. An input's integer is its share of its bound, times the limit. A lane's
/// weights, times what the integers of their inputs stand for, become integers as large as 16 bits allow, and as 32
/// bits allow the sum where every input is at its bound and every weight rounded away from zero: no sum can overflow.
private struct IntegerPacking {
    let vectors: Int
    let panel: Int
    let lanes: Int
    let inputBounds: [Float]  // (depth)

    var wordCount: Int { Self.wordCount(vectors: vectors, depth: inputBounds.count) }

    static func wordCount(vectors: Int, depth: Int) -> Int {
        parts(of: depth).reduce(0) { words, part in
            words + vectors * Kernels.lanes * (1 + (part.count + 1) / 2) + part.count.roundedUpToLanes
        }
    }

    /// Parts of the depth, each of which has sums and scales of its own; an empty one where nothing is read.
    private static func parts(of depth: Int) -> [Range<Int>] {
        let most = Int(PIXEL_I16_DEPTH)
        return depth == 0 ? [0..<0] : stride(from: 0, to: depth, by: most).map { $0..<min($0 + most, depth) }
    }

    func write(_ weight: (_ lane: Int, _ k: Int) -> Float, to words: UnsafeMutablePointer<UInt32>) {
        var words = words
        for part in Self.parts(of: inputBounds.count) { write(part, weight, to: &words) }
    }

    /// Writes a part, and moves `words` past it.
    private func write(
        _ part: Range<Int>, _ weight: (_ lane: Int, _ k: Int) -> Float, to words: inout UnsafeMutablePointer<UInt32>
    ) {
        let limit = Double(pixel_i16_limit(part.count))
        // Bounds and sums this small are as good as zero, and bounds this large as any: weights that make them make
        // logits that are not finite.
        let (least, most) = (1e-30, 1e30)
        let steps = inputBounds[part].map { Double($0) > least ? min(Double($0), most) / limit : 0 }
        let room = Double(Int32.max) / limit - Double(part.count) / 2
        let laneCount = vectors * Kernels.lanes
        var integers = [UInt16](repeating: 0, count: laneCount * part.count)  // (lanes, part)
        for lane in 0..<lanes {
            let scaled = steps.enumerated().map { k, step in Double(weight(lane, part.lowerBound + k)) * step }
            let (largest, total) = scaled.reduce((0.0, 0.0)) { (max($0.0, abs($1)), $0.1 + abs($1)) }
            guard total > least else { continue }
            let factor = min(Double(Int16.max) / largest, room / total)
            words[lane] = Float(1 / factor).bitPattern
            for (k, weight) in scaled.enumerated() {
                let integer = Int16((weight * factor).rounded(.toNearestOrEven))
                integers[lane * part.count + k] = UInt16(bitPattern: integer)
            }
        }
        words += laneCount
        for (k, step) in steps.enumerated() { words[k] = Float(step > 0 ? 1 / step : 0).bitPattern }
        words += part.count.roundedUpToLanes
        let pairs = words
        let pairCount = (part.count + 1) / 2
        PackedMatrix.forEachWord(vectors, panel, lanes: lanes, steps: pairCount) { word, lane, step in
            let k = lane * part.count + 2 * step
            pairs[word] = UInt32(integers[k]) | (2 * step + 1 < part.count ? UInt32(integers[k + 1]) << 16 : 0)
        }
        words += laneCount * pairCount
    }
}
