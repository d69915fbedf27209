// A weight matrix in the order in which the kernels read it: panels of a few vectors of outputs, each (depth, lanes),
// so that the inner loop walks through memory. Outputs are padded with zeros to whole vectors. The engine packs its
// matrices once, at load; training packs its own anew after every step.

import CPixelKernels

/// How the weights are kept that every pixel streams. One image is bound by reading them, so half the bytes are a gain;
/// the arithmetic stays that of floats, so that every instruction set gives the same bits.
package enum Precision: String, Sendable, CaseIterable {
    /// As in the file: float32.
    case f32
    /// Weights of `in_conv`, `h_conv`, `htoh` and `out_conv` rounded to bf16, ties to even, when the model is packed.
    /// What the vertical stack multiplies, biases and norms are kept: reading those is no bottleneck.
    case bf16

    /// The bits of the bf16 that is nearest to `value`, ties to even.
    package static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
    }
}

/// (lanes, depth) weights, packed as panels for one instruction set. Who keeps one keeps its memory alive, too.
package struct PackedMatrix: @unchecked Sendable, BitwiseCopyable {
    package enum Weights: BitwiseCopyable {
        case floats(UnsafePointer<Float>)
        case bfloat16Pairs(UnsafePointer<UInt32>)  // weights of an even k and the next, low half and high half
    }

    package let weights: Weights
    package let depth: Int
    package let vectors: Int
    package let panel: Int  // vectors in the widest panel

    /// Bytes of the packed weights, padding included.
    package var byteCount: Int {
        switch weights {
        case .floats: vectors * Kernels.lanes * depth * MemoryLayout<Float>.stride
        case .bfloat16Pairs: vectors * Kernels.lanes * ((depth + 1) / 2) * MemoryLayout<UInt32>.stride
        }
    }

    /// Packs `weight(lane, k)`, lane < `lanes`, k < `depth`, into `storage`; `forRows` where it mostly meets a row of
    /// columns rather than a pixel.
    package init(
        kernels: Kernels, storage: ConstantStorage, lanes: Int, depth: Int, forRows: Bool = false,
        precision: Precision = .f32, weight: (_ lane: Int, _ k: Int) -> Float
    ) {
        self.depth = depth
        vectors = lanes.roundedUpToLanes / Kernels.lanes
        panel = forRows ? kernels.table.pointee.narrow_panel : kernels.table.pointee.wide_panel
        let steps = precision == .f32 ? depth : (depth + 1) / 2
        let (vectors, panel) = (vectors, panel)
        /// Each word that is not padding.
        func forEach(_ body: (_ word: Int, _ lane: Int, _ step: Int) -> Void) {
            Self.forEachPanel(of: vectors, atMost: panel) { first, vectors in
                let width = vectors * Kernels.lanes
                for step in 0..<steps {
                    let word = first * steps + step * width
                    for lane in first..<min(first + width, lanes) { body(word + lane - first, lane, step) }
                }
            }
        }
        switch precision {
        case .f32:
            let words: ConstantList<Float> = storage.numbers(vectors * Kernels.lanes * steps) { words in
                forEach { word, lane, k in words[word] = weight(lane, k) }
            }
            weights = .floats(words.base)
        case .bf16:
            let words: ConstantList<UInt32> = storage.numbers(vectors * Kernels.lanes * steps) { words in
                forEach { word, lane, step in
                    let low = Precision.bfloat16(weight(lane, 2 * step))
                    let high = 2 * step + 1 < depth ? Precision.bfloat16(weight(lane, 2 * step + 1)) : 0
                    words[word] = UInt32(low) | UInt32(high) << 16
                }
            }
            weights = .bfloat16Pairs(words.base)
        }
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
