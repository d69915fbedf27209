// A weight matrix in the order in which the kernels read it: panels of a few vectors of outputs, each (depth, lanes), so
// that the inner loop walks through memory. Made once, at load; outputs are padded with zeros to whole vectors.

import CPixelKernels

/// (lanes, depth) weights, packed as panels for one instruction set.
struct PackedMatrix: Sendable, BitwiseCopyable {
    let weights: ConstantFloats
    let depth: Int
    let vectors: Int
    let panel: Int  // vectors in the widest panel

    /// Bytes of the packed weights, padding included.
    var byteCount: Int { weights.byteCount }

    /// Packs `weight(lane, k)`, lane < `lanes`, k < `depth`, into `storage`; `forRows` where it mostly meets a row of
    /// columns rather than a pixel.
    init(
        kernels: Kernels, storage: ConstantStorage, lanes: Int, depth: Int, forRows: Bool = false,
        weight: (_ lane: Int, _ k: Int) -> Float
    ) {
        self.depth = depth
        vectors = lanes.roundedUpToLanes / Kernels.lanes
        panel = forRows ? kernels.table.pointee.narrow_panel : kernels.table.pointee.wide_panel
        let (total, panel) = (vectors, panel)
        weights = storage.floats(count: total * Kernels.lanes * depth) { destination in
            var (next, firstLane) = (destination, 0)
            while firstLane < total * Kernels.lanes {
                let width = pixel_panel_width(total - firstLane / Kernels.lanes, panel) * Kernels.lanes
                for k in 0..<depth {
                    for lane in firstLane..<min(firstLane + width, lanes) {
                        next[lane - firstLane] = weight(lane, k)
                    }
                    next += width
                }
                firstLane += width
            }
        }
    }
}
