// All weights in both directions. Forward matrices are the layout's own slices. Backward ones are their transposes: the
// gradient of colour group j's inputs comes from the outputs of the groups that see it, which lie side by side, so
// again nothing under a mask is computed.

import CPixelKernels

/// The matrices of the forward and the backward pass.
struct PackedNetwork {
    struct Block {
        let vertical, horizontal, toTanh, toSigmoid, projection: [PackedMatrix]
        /// [kernel row] × (k · preactivations, F): over a row of output gradients, right to left in the kernel.
        let verticalBack: [PackedMatrix]
        /// (p · pairs, F): the p columns to the right.
        let leftTapsBack: PackedMatrix
        /// [C] × (pairs of the groups that see j at their own pixel, g).
        let centreBack: [PackedMatrix]
        let toTanhBack, toSigmoidBack: [PackedMatrix]  // [C] × (g, (c + 1)g)
        let projectionBack: [PackedMatrix]  // [C] × ((C − j)g, g)
    }

    let input: [PackedMatrix]
    let blocks: [Block]
    let hidden, logits: [PackedMatrix]
    let hiddenBack: [PackedMatrix]  // [C] × ((C − j) hidden / C, g)
    let logitsBack: [PackedMatrix]  // [C] × ((C − j)d, hidden / C)

    init(_ arena: Arena, kernels: Kernels, sizes: Sizes, layout: ParameterLayout) {
        let channels = sizes.channels
        func forward(_ slices: [Slice]) -> [PackedMatrix] {
            slices.map { PackedMatrix(arena, kernels: kernels, $0) }
        }
        func back(depth: Int, lanes: Int, _ pieces: [PackedMatrix.Piece]) -> PackedMatrix {
            PackedMatrix(arena, kernels: kernels, depth: depth, lanes: lanes, pieces: pieces)
        }
        /// Output group c's lanes from `depth` on, for the inputs from `input` on.
        func piece(_ slice: Slice, input: Int, depth: Int) -> PackedMatrix.Piece {
            PackedMatrix.Piece(
                source: slice.offset + input * slice.stride, laneStride: slice.stride, depthStride: 1,
                depth: depth..<depth + slice.lanes)
        }
        /// The transposes of a masked 1 × 1 convolution, by input group.
        func pointwiseBack(_ slices: [Slice], inputs: Int) -> [PackedMatrix] {
            let outputs = slices[0].lanes
            return (0..<channels).map { j in
                back(
                    depth: (channels - j) * outputs, lanes: inputs,
                    (j..<channels).map { piece(slices[$0], input: j * inputs, depth: ($0 - j) * outputs) })
            }
        }
        input = forward(layout.input)
        blocks = (0..<sizes.blocks).map { i in
            let block = layout.blocks[i]
            let (filters, group, padding) = (sizes.filters, sizes.group, sizes.padding)
            return Block(
                vertical: forward(block.vertical), horizontal: forward(block.horizontal),
                toTanh: forward(block.toTanh), toSigmoid: forward(block.toSigmoid),
                projection: forward(block.projection),
                verticalBack: block.vertical.map { slice in
                    back(
                        depth: sizes.kernel * sizes.preactivations, lanes: filters,
                        (0..<sizes.kernel).map { tap in
                            piece(
                                slice, input: tap * filters, depth: (sizes.kernel - 1 - tap) * sizes.preactivations)
                        })
                },
                leftTapsBack: back(
                    depth: padding * sizes.pairs, lanes: filters,
                    (0..<padding).flatMap { tap in
                        (0..<channels).map { c in
                            piece(
                                block.horizontal[c], input: tap * filters,
                                depth: (padding - 1 - tap) * sizes.pairs + c * sizes.pair)
                        }
                    }),
                centreBack: (0..<channels).map { j in
                    let first = sizes.firstSeeing(j, block: i)
                    return back(
                        depth: (channels - first) * sizes.pair, lanes: group,
                        (first..<channels).map {
                            piece(
                                block.horizontal[$0], input: padding * filters + j * group,
                                depth: ($0 - first) * sizes.pair)
                        })
                },
                toTanhBack: block.toTanh.map { back(depth: group, lanes: $0.inputs, [piece($0, input: 0, depth: 0)]) },
                toSigmoidBack: block.toSigmoid.map {
                    back(depth: group, lanes: $0.inputs, [piece($0, input: 0, depth: 0)])
                },
                projectionBack: pointwiseBack(block.projection, inputs: group))
        }
        hidden = forward(layout.hidden)
        logits = forward(layout.logits)
        hiddenBack = pointwiseBack(layout.hidden, inputs: sizes.group)
        logitsBack = pointwiseBack(layout.logits, inputs: sizes.hiddenGroup)
    }

    /// Every matrix of both directions.
    var matrices: [PackedMatrix] {
        input + hidden + logits + hiddenBack + logitsBack
            + blocks.flatMap { block in
                [
                    block.vertical, block.horizontal, block.toTanh, block.toSigmoid, block.projection,
                    block.verticalBack, [block.leftTapsBack], block.centreBack, block.toTanhBack, block.toSigmoidBack,
                    block.projectionBack,
                ].flatMap { $0 }
            }
    }
}

extension Sizes {
    /// The first colour group whose horizontal convolution sees group `j` at its own pixel.
    func firstSeeing(_ j: Int, block: Int) -> Int { block == 0 ? j + 1 : j }
}
