// Where the values of one image lie while training: channels last, all of a pass's grids in one arena. Padding is
// memory around an image that stays zero, so a convolution is a product whose operand is read a few positions further
// on. 4.4 KB per position and block in the published size where everything is kept.

import PixelCNNKernels

/// Where an image's values (H, W, channels) lie: position (row, column) begins at base + row · rowStride +
/// column · stride.
struct Grid {
    let base: UnsafeMutablePointer<Float>
    let stride: Int
    let rowStride: Int

    /// The grid seen from another position and channel.
    func shifted(rows: Int = 0, columns: Int = 0, channels: Int = 0) -> Grid {
        Grid(base: base + rows * rowStride + columns * stride + channels, stride: stride, rowStride: rowStride)
    }

    /// Row `row` of the image, position by position.
    func row(_ row: Int) -> Rows { Rows(base: base + row * rowStride, stride: stride) }
}

extension Arena {
    /// An image's (H, W, stride) zeros, with rows and columns of padding around it.
    func grid(
        _ sizes: NetworkSizes, stride: Int, top: Int = 0, bottom: Int = 0, left: Int = 0, right: Int = 0
    ) -> Grid {
        let rowStride = (left + sizes.width + right) * stride
        let base = floats((top + sizes.height + bottom) * rowStride)
        return Grid(base: base + top * rowStride + left * stride, stride: stride, rowStride: rowStride)
    }
}

/// The activations of a block between its inputs and its outputs.
struct BlockActivations {
    let u: Grid  // (H, W, preactivations): vertical, tanh half and sigmoid half
    let s: Grid  // (H, W, C, pair): horizontal, likewise for each colour group
    let gated: Grid  // (H, W, F): the horizontal gate's output
    let vertical: Grid  // (H, W, F): the vertical gate's output, before its norm
    let sum: Grid  // (H, W, featureRoom): projection and residual, before the norm
}

/// All that a pass writes of one image: activations, and the gradients that it needs at a time.
struct Activations {
    let patches: Grid  // (H, W, patchCount)
    let vertical: [Grid]  // [L] × (H, W, F), padded by p above, left and right: the blocks' vertical inputs
    let horizontal: [Grid]  // [L + 1] × (H, W, F), padded by p on the left: horizontal inputs, and the last output
    let inner: [BlockActivations]  // [L], or one that all blocks share
    let hidden: Grid  // (H, W, hiddenRoom)
    let logits: Grid  // (H, W, logitRoom), then their gradient
    let losses: UnsafeMutablePointer<Double>  // (C, H · W)

    let dHidden: Grid  // (H, W, hiddenRoom)
    let dV, dH: Grid  // (H, W, featureRoom): of a block's outputs, then of its inputs
    let dSum: Grid  // (H, W, F)
    let dGate: Grid  // (H, W, featureRoom)
    let labelled: Grid?  // (H, W, preactivations): into the vertical gate, where a link sees them without the class
    let ds: Grid  // (H, W, C, pair), padded by p on the right
    let du: Grid  // (H, W, preactivations), padded by p below, left and right

    init(_ arena: Arena, _ sizes: NetworkSizes, recomputes: Bool) {
        let (filters, padding) = (sizes.filters, sizes.padding)
        func grid(_ stride: Int) -> Grid { arena.grid(sizes, stride: stride) }
        patches = grid(sizes.patchCount)
        vertical = (0..<sizes.blocks).map { _ in
            arena.grid(sizes, stride: filters, top: padding, left: padding, right: padding)
        }
        // Both stacks start from the same features.
        horizontal =
            [vertical[0]] + (0..<sizes.blocks).map { _ in arena.grid(sizes, stride: filters, left: padding) }
        inner = (0..<(recomputes ? 1 : sizes.blocks)).map { _ in
            BlockActivations(
                u: grid(sizes.preactivations), s: grid(sizes.pairs), gated: grid(filters), vertical: grid(filters),
                sum: grid(sizes.featureRoom))
        }
        hidden = grid(sizes.hiddenRoom)
        logits = grid(sizes.logitRoom)
        losses = UnsafeMutableRawPointer(arena.floats(2 * sizes.channels * sizes.positions))
            .assumingMemoryBound(to: Double.self)
        dHidden = grid(sizes.hiddenRoom)
        dV = grid(sizes.featureRoom)
        dH = grid(sizes.featureRoom)
        dSum = grid(filters)
        dGate = grid(sizes.featureRoom)
        labelled = sizes.linksSeeLabels ? nil : grid(sizes.preactivations)
        ds = arena.grid(sizes, stride: sizes.pairs, right: padding)
        du = arena.grid(
            sizes, stride: sizes.preactivations, bottom: padding, left: padding, right: padding)
    }
}
