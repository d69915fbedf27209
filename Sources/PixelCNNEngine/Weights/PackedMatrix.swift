// A weight matrix in the order in which the kernels read it: panels of a few vectors of outputs, each (depth, lanes),
// so that the inner loop walks through memory. Made once, at load; outputs are padded with zeros to whole vectors.

import CPixelKernels

/// (lanes, depth) weights, packed as panels for one instruction set.
struct PackedMatrix: Sendable, BitwiseCopyable {
    enum Weights: Sendable, BitwiseCopyable {
        case floats(ConstantFloats)
        case bfloat16Pairs(ConstantList<UInt32>)  // weights of an even k and the next, low half and high half
    }

    let weights: Weights
    let depth: Int
    let vectors: Int
    let panel: Int  // vectors in the widest panel

    /// Bytes of the packed weights, padding included.
    var byteCount: Int {
        switch weights {
        case .floats(let floats): floats.byteCount
        case .bfloat16Pairs(let pairs): pairs.count * MemoryLayout<UInt32>.stride
        }
    }

    /// Packs `weight(lane, k)`, lane < `lanes`, k < `depth`, into `storage`; `forRows` where it mostly meets a row of
    /// columns rather than a pixel.
    init(
        kernels: Kernels, storage: ConstantStorage, lanes: Int, depth: Int, forRows: Bool = false,
        precision: Precision = .f32, weight: (_ lane: Int, _ k: Int) -> Float
    ) {
        self.depth = depth
        vectors = lanes.roundedUpToLanes / Kernels.lanes
        panel = forRows ? kernels.table.pointee.narrow_panel : kernels.table.pointee.wide_panel
        let layout = PanelLayout(lanes: lanes, panel: panel)
        switch precision {
        case .f32:
            weights = .floats(
                storage.floats(count: layout.lanes * depth) { words in
                    layout.forEach(steps: depth) { place, lane, k in words[place] = weight(lane, k) }
                })
        case .bf16:
            weights = .bfloat16Pairs(
                storage.words(count: layout.lanes * ((depth + 1) / 2)) { words in
                    layout.forEach(steps: (depth + 1) / 2) { place, lane, step in
                        let low = Precision.bfloat16(weight(lane, 2 * step))
                        let high = 2 * step + 1 < depth ? Precision.bfloat16(weight(lane, 2 * step + 1)) : 0
                        words[place] = UInt32(low) | UInt32(high) << 16
                    }
                })
        }
    }
}

/// Where the lanes of a packed matrix lie, panel by panel.
private struct PanelLayout {
    private let used: Int
    private let panel: Int

    init(lanes: Int, panel: Int) { (used, self.panel) = (lanes, panel) }

    /// In whole vectors.
    var lanes: Int { used.roundedUpToLanes }

    /// Each word that is not padding, in order.
    @inline(__always)
    func forEach(steps: Int, _ body: (_ place: Int, _ lane: Int, _ step: Int) -> Void) {
        var (place, firstLane) = (0, 0)
        while firstLane < lanes {
            let width = pixel_panel_width((lanes - firstLane) / Kernels.lanes, panel) * Kernels.lanes
            for step in 0..<steps {
                for lane in firstLane..<min(firstLane + width, used) { body(place + lane - firstLane, lane, step) }
                place += width
            }
            firstLane += width
        }
    }
}
