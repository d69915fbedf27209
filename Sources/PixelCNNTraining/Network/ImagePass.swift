// One image through the network and back: the unit of work of a training thread. All activations of the image are kept
// between the two directions, 4.4 KB a position and block in the published size, or, where memory is short, only the
// blocks' inputs, and the rest is computed again on the way back.
//
// Everything is a column of kernel calls over grids; +Forward and +Backward read as the network's diagram and its
// derivative. Results depend on the image and the weights alone.

import CPixelKernels

#if canImport(Glibc)
    import Glibc
#endif

/// The activations and gradients of one image. Owned by one thread at a time.
final class ImagePass {
    let sizes: Sizes
    let kernels: Kernels
    let layout: ParameterLayout
    let network: PackedNetwork
    var flat: UnsafePointer<Float>  // the parameters, for biases and norms
    /// The class of the image; 0 where the network is unconditional.
    var label = 0
    /// Whether a block's inner activations are computed again in the backward pass.
    let recomputes: Bool
    let arena: Arena
    let buffers: Buffers

    /// The inner activations of a block.
    struct Inner {
        let u: Grid  // (H, W, preactivations): vertical, tanh half and sigmoid half
        let s: Grid  // (H, W, C, pair): horizontal, likewise for each colour group
        let gated: Grid  // (H, W, F): the horizontal gate's output
        let vertical: Grid  // (H, W, F): the vertical gate's output, before its norm
        let sum: Grid  // (H, W, features): projection and residual, before the norm
    }

    struct Buffers {
        let patches: Grid  // (H, W, patch)
        let vertical: [Grid]  // [L] × (H, W, F), padded by p above, left and right: the blocks' vertical inputs
        let horizontal: [Grid]  // [L + 1] × (H, W, F), padded by p on the left: horizontal inputs, and the last output
        let inner: [Inner]  // [L], or one that all blocks share
        let hidden: Grid  // (H, W, hiddenRoom)
        let logits: Grid  // (H, W, logits), then their gradient
        let losses: UnsafeMutablePointer<Double>  // (C, H · W)

        let dHidden: Grid  // (H, W, hiddenRoom)
        let dV, dH: Grid  // (H, W, features): of a block's outputs, then of its inputs
        let dSum: Grid  // (H, W, F)
        let dGate: Grid  // (H, W, features)
        let ds: Grid  // (H, W, C, pair), padded by p on the right
        let du: Grid  // (H, W, preactivations), padded by p below, left and right

        init(_ arena: Arena, _ sizes: Sizes, recomputes: Bool) {
            let (filters, padding) = (sizes.filters, sizes.padding)
            func grid(_ stride: Int) -> Grid { arena.grid(sizes, stride: stride) }
            patches = grid(sizes.patch)
            vertical = (0..<sizes.blocks).map { _ in
                arena.grid(sizes, stride: filters, top: padding, left: padding, right: padding)
            }
            // Both stacks start from the same features.
            horizontal =
                [vertical[0]] + (0..<sizes.blocks).map { _ in arena.grid(sizes, stride: filters, left: padding) }
            inner = (0..<(recomputes ? 1 : sizes.blocks)).map { _ in
                Inner(
                    u: grid(sizes.preactivations), s: grid(sizes.pairs), gated: grid(filters), vertical: grid(filters),
                    sum: grid(sizes.features))
            }
            hidden = grid(sizes.hiddenRoom)
            logits = grid(sizes.logits)
            losses = UnsafeMutableRawPointer(arena.floats(2 * sizes.channels * sizes.positions))
                .assumingMemoryBound(to: Double.self)
            dHidden = grid(sizes.hiddenRoom)
            dV = grid(sizes.features)
            dH = grid(sizes.features)
            dSum = grid(filters)
            dGate = grid(sizes.features)
            ds = arena.grid(sizes, stride: sizes.pairs, right: padding)
            du = arena.grid(
                sizes, stride: sizes.preactivations, bottom: padding, left: padding, right: padding)
        }
    }

    /// Reads weights from `network` and, for biases and norms, from the flat parameters.
    init(
        sizes: Sizes, kernels: Kernels, layout: ParameterLayout, network: PackedNetwork, flat: UnsafePointer<Float>,
        recomputes: Bool
    ) {
        (self.sizes, self.kernels, self.layout) = (sizes, kernels, layout)
        (self.network, self.flat, self.recomputes) = (network, flat, recomputes)
        (arena, buffers) = Arena.fitting { Buffers($0, sizes, recomputes: recomputes) }
    }

    /// Bytes that a pass takes.
    static func byteCount(_ sizes: Sizes, recomputes: Bool) -> Int {
        Arena.measure { _ = Buffers($0, sizes, recomputes: recomputes) }
    }

    func inner(_ block: Int) -> Inner { buffers.inner[recomputes ? 0 : block] }

    // MARK: - Kernel calls over the rows of an image

    /// y += matrix · x at every position. The weights of a panel stay in the cache while the rows pass by.
    func accumulate(_ matrix: PackedMatrix, _ x: Grid, into y: Grid) {
        guard matrix.depth > 0 else { return }
        matrix.forEachPanel { lane, vectors, weights in
            for row in 0..<sizes.height {
                kernels.network.pointee.accumulate(
                    weights, matrix.depth, vectors, matrix.panel, x.row(row), x.stride, y.row(row) + lane, y.stride,
                    sizes.width)
            }
        }
    }

    /// Adds to the gradient of a matrix whose inputs are x and whose outputs have the gradient dy.
    func accumulateGradient(_ slice: Slice, _ x: Grid, _ dy: Grid, into gradient: UnsafeMutablePointer<Float>) {
        guard slice.inputs > 0 else { return }
        kernels.training.pointee.accumulate_products(
            x.base, x.rowStride, x.stride, slice.inputs, dy.base, dy.rowStride, dy.stride, slice.lanes,
            gradient + slice.offset, slice.stride, sizes.height, sizes.width)
    }

    /// Adds to the gradient of a bias, or of a class's row.
    func accumulateBias(_ slice: Slice, input: Int = 0, _ dy: Grid, into gradient: UnsafeMutablePointer<Float>) {
        for row in 0..<sizes.height {
            kernels.training.pointee.accumulate_columns(
                dy.row(row), dy.stride, gradient + slice.row(input), slice.lanes, sizes.width)
        }
    }

    /// Every position becomes `source` (count), and the rest of `room`, or of its stride, zero.
    func fill(_ y: Grid, with source: UnsafePointer<Float>, count: Int, room: Int? = nil) {
        for row in 0..<sizes.height {
            for column in 0..<sizes.width {
                let place = y.row(row) + column * y.stride
                place.update(from: source, count: count)
                (place + count).update(repeating: 0, count: (room ?? y.stride) - count)
            }
        }
    }

    /// Every position becomes zero.
    func clear(_ y: Grid) {
        for row in 0..<sizes.height { y.row(row).update(repeating: 0, count: sizes.width * y.stride) }
    }

    /// y = x, F channels.
    func copy(_ x: Grid, to y: Grid) {
        for row in 0..<sizes.height {
            for column in 0..<sizes.width {
                (y.row(row) + column * y.stride).update(from: x.row(row) + column * x.stride, count: sizes.filters)
            }
        }
    }
}
