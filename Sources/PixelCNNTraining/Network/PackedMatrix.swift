// A matrix as the kernels read it: panels of a few vectors of lanes, each (depth, lanes). Packed anew after every step,
// from one or more pieces of the flat parameters: as they lie for the forward pass, turned over for the backward one.

import CPixelKernels

/// (depth, lanes) weights in panels, and where they come from.
struct PackedMatrix {
    /// A rectangle of the matrix: (lane, k) comes from source + lane · laneStride + k · depthStride.
    struct Piece {
        var source: Int
        var laneStride: Int
        var depthStride: Int
        var depth: Range<Int>
    }

    let base: UnsafeMutablePointer<Float>
    let depth: Int
    let lanes: Int
    let panel: Int  // vectors in the widest
    let pieces: [Piece]

    var vectors: Int { lanes.inWholeVectors / PixelCNNTraining.lanes }

    /// Room for the matrix in `arena`; what no piece covers is zero.
    init(_ arena: Arena, kernels: Kernels, depth: Int, lanes: Int, pieces: [Piece]) {
        base = arena.floats(depth * lanes.inWholeVectors)
        (self.depth, self.lanes, self.pieces) = (depth, lanes, pieces)
        panel = kernels.network.pointee.wide_panel
    }

    /// The matrix as a slice has it.
    init(_ arena: Arena, kernels: Kernels, _ slice: Slice) {
        self.init(
            arena, kernels: kernels, depth: slice.inputs, lanes: slice.lanes,
            pieces: [Piece(source: slice.offset, laneStride: 1, depthStride: slice.stride, depth: 0..<slice.inputs)])
    }

    /// Calls `body` with each panel's first lane, width in vectors, and weights.
    @inline(__always)
    func forEachPanel(_ body: (_ lane: Int, _ vectors: Int, _ weights: UnsafeMutablePointer<Float>) -> Void) {
        var (lane, weights, rest) = (0, base, vectors)
        while rest > 0 {
            let width = pixel_panel_width(rest, panel)
            body(lane, width, weights)
            lane += width * PixelCNNTraining.lanes
            weights += depth * width * PixelCNNTraining.lanes
            rest -= width
        }
    }

    /// Copies the pieces out of the flat parameters.
    func pack(_ flat: UnsafePointer<Float>) {
        forEachPanel { first, vectors, weights in
            let (width, present) = (
                vectors * PixelCNNTraining.lanes, min(vectors * PixelCNNTraining.lanes, lanes - first)
            )
            for piece in pieces {
                let source = flat + piece.source + first * piece.laneStride
                if piece.laneStride == 1 {
                    for k in 0..<piece.depth.count {
                        (weights + (piece.depth.lowerBound + k) * width).update(
                            from: source + k * piece.depthStride, count: present)
                    }
                } else {
                    turn(source, piece, into: weights + piece.depth.lowerBound * width, width: width, lanes: present)
                }
            }
        }
    }

    /// Copies a piece whose depth runs along memory, a cache line of each lane at a time.
    private func turn(
        _ source: UnsafePointer<Float>, _ piece: Piece, into destination: UnsafeMutablePointer<Float>, width: Int,
        lanes: Int
    ) {
        let depth = piece.depth.count
        for start in stride(from: 0, to: depth, by: 16) {
            let end = min(start + 16, depth)
            for lane in 0..<lanes {
                let column = source + lane * piece.laneStride
                for k in start..<end { destination[k * width + lane] = column[k] }
            }
        }
    }
}
