// A weight matrix in the order in which the kernels read it: panels of a few vectors of outputs, each (depth, lanes), so
// that the inner loop walks through memory. Made once, at load; outputs are padded with zeros to whole vectors.

import CPixelKernels

/// (lanes, depth) weights, packed as panels for one instruction set.
struct PackedMatrix: Sendable, BitwiseCopyable {
    let weights: ConstantFloats
    let depth: Int
    let vectors: Int

    /// Bytes of the packed weights, padding included.
    var byteCount: Int { weights.byteCount }

    /// Packs `weight(lane, k)`, lane < `lanes`, k < `depth`, into `storage`.
    init(
        kernels: Kernels, storage: ConstantStorage, lanes: Int, depth: Int,
        weight: (_ lane: Int, _ k: Int) -> Float
    ) {
        self.depth = depth
        vectors = lanes.roundedUpToLanes / Kernels.lanes
        let (total, panelVectors) = (vectors, kernels.table.pointee.panel_vectors)
        weights = storage.floats(count: total * Kernels.lanes * depth) { destination in
            var (next, firstLane) = (destination, 0)
            while firstLane < total * Kernels.lanes {
                let width = pixel_panel_width(total - firstLane / Kernels.lanes, panelVectors) * Kernels.lanes
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
