// All weights in both directions. Forward matrices are the layout's own slices. Backward ones are their transposes: the
// gradient of colour group j's inputs comes from the outputs of the groups that see it, which lie side by side, so
// again nothing under a mask is computed.

import PixelCNNKernels

/// The matrices of the forward and the backward pass.
struct PackedNetwork {
    /// From the vertical pre-activations to the horizontal ones, and back.
    enum Link {
        /// [C], and [C] × (g, (c + 1)g) back.
        case halves(
            tanh: [RepackedMatrix], sigmoid: [RepackedMatrix], tanhBack: [RepackedMatrix],
            sigmoidBack: [RepackedMatrix])
        case full(RepackedMatrix, back: RepackedMatrix)
    }

    struct Block {
        let vertical, horizontal, projection: [RepackedMatrix]
        let link: Link
        /// [kernel row] × (k · preactivations, F): over a row of output gradients, right to left in the kernel.
        let verticalBack: [RepackedMatrix]
        /// (p · pairs, F): the p columns to the right.
        let leftTapsBack: RepackedMatrix
        /// [C] × (pairs of the groups that see j at their own pixel, g).
        let centreBack: [RepackedMatrix]
        let projectionBack: [RepackedMatrix]  // [C] × ((C − j)g, g)
    }

    let input: [RepackedMatrix]  // [] where values are rows of a table
    let blocks: [Block]
    let hidden, logits: [RepackedMatrix]
    let hiddenBack: [RepackedMatrix]  // [C] × ((C − j) hidden / C, g)
    let logitsBack: [RepackedMatrix]  // [C] × ((C − j)d, hidden / C)

    init(_ arena: Arena, kernels: Kernels, sizes: NetworkSizes, layout: ParameterLayout) {
        let channels = sizes.channels
        func forward(_ slices: [Slice]) -> [RepackedMatrix] {
            slices.map { RepackedMatrix(arena, kernels: kernels, $0) }
        }
        func back(depth: Int, lanes: Int, _ pieces: [RepackedMatrix.Piece]) -> RepackedMatrix {
            RepackedMatrix(arena, kernels: kernels, depth: depth, lanes: lanes, pieces: pieces)
        }
        /// Output group c's lanes from `depth` on, for the inputs from `input` on.
        func piece(_ slice: Slice, input: Int, depth: Int) -> RepackedMatrix.Piece {
            RepackedMatrix.Piece(
                source: slice.offset + input * slice.stride, laneStride: slice.stride, depthStride: 1,
                depth: depth..<depth + slice.lanes)
        }
        /// The transposes of a masked 1 × 1 convolution, by input group.
        func pointwiseBack(_ slices: [Slice], inputs: Int) -> [RepackedMatrix] {
            let outputs = slices[0].lanes
            return (0..<channels).map { j in
                back(
                    depth: (channels - j) * outputs, lanes: inputs,
                    (j..<channels).map { piece(slices[$0], input: j * inputs, depth: ($0 - j) * outputs) })
            }
        }
        func link(_ link: ParameterLayout.Link) -> Link {
            func turned(_ slice: Slice) -> RepackedMatrix {
                back(depth: slice.lanes, lanes: slice.inputs, [piece(slice, input: 0, depth: 0)])
            }
            return switch link {
            case .halves(let tanh, let sigmoid):
                .halves(
                    tanh: forward(tanh), sigmoid: forward(sigmoid), tanhBack: tanh.map(turned),
                    sigmoidBack: sigmoid.map(turned))
            case .full(let slice, _): .full(forward([slice])[0], back: turned(slice))
            }
        }
        input = if case .convolution(let slices, _) = layout.input { forward(slices) } else { [] }
        blocks = (0..<sizes.blocks).map { i in
            let block = layout.blocks[i]
            let (filters, group, padding) = (sizes.filters, sizes.group, block.padding)
            let columns = 2 * padding + 1
            return Block(
                vertical: forward(block.vertical), horizontal: forward(block.horizontal),
                projection: forward(block.projection), link: link(block.link),
                verticalBack: block.vertical.map { slice in
                    back(
                        depth: columns * sizes.preactivations, lanes: filters,
                        (0..<columns).map { tap in
                            piece(slice, input: tap * filters, depth: (columns - 1 - tap) * sizes.preactivations)
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
                    let first = block.firstSeeing[j]
                    return back(
                        depth: (channels - first) * sizes.pair, lanes: group,
                        (first..<channels).map {
                            piece(
                                block.horizontal[$0], input: padding * filters + j * group,
                                depth: ($0 - first) * sizes.pair)
                        })
                },
                projectionBack: pointwiseBack(block.projection, inputs: group))
        }
        hidden = forward(layout.hidden)
        logits = forward(layout.logits)
        hiddenBack = pointwiseBack(layout.hidden, inputs: sizes.group)
        logitsBack = pointwiseBack(layout.logits, inputs: sizes.hiddenGroup)
    }

    /// Every matrix of both directions.
    var matrices: [RepackedMatrix] {
        input + hidden + logits + hiddenBack + logitsBack
            + blocks.flatMap { block in
                [
                    block.vertical, block.horizontal, block.projection, block.link.matrices, block.verticalBack,
                    [block.leftTapsBack], block.centreBack, block.projectionBack,
                ].flatMap { $0 }
            }
    }
}

extension PackedNetwork.Link {
    fileprivate var matrices: [RepackedMatrix] {
        switch self {
        case .halves(let tanh, let sigmoid, let tanhBack, let sigmoidBack): tanh + sigmoid + tanhBack + sigmoidBack
        case .full(let matrix, let back): [matrix, back]
        }
    }
}

/// A matrix that is packed anew after every step, from one or more pieces of the flat parameters: as they lie for the
/// forward pass, turned over for the backward one.
struct RepackedMatrix {
    /// A rectangle of the matrix: (lane, k) comes from source + lane · laneStride + k · depthStride.
    struct Piece {
        var source: Int
        var laneStride: Int
        var depthStride: Int
        var depth: Range<Int>
    }

    /// What the kernels read.
    let packed: PackedMatrix
    private let memory: UnsafeMutablePointer<Float>
    private let lanes: Int
    private let pieces: [Piece]

    /// Room for the matrix in `arena`; what no piece covers is zero.
    init(_ arena: Arena, kernels: Kernels, depth: Int, lanes: Int, pieces: [Piece]) {
        memory = arena.floats(depth * lanes.roundedUpToLanes)
        packed = PackedMatrix(kernels: kernels, lanes: lanes, depth: depth, memory: memory)
        self.lanes = lanes
        self.pieces = pieces
    }

    /// The matrix as a slice has it.
    init(_ arena: Arena, kernels: Kernels, _ slice: Slice) {
        self.init(
            arena, kernels: kernels, depth: slice.inputs, lanes: slice.lanes,
            pieces: [Piece(source: slice.offset, laneStride: 1, depthStride: slice.stride, depth: 0..<slice.inputs)])
    }

    /// Copies the pieces out of the flat parameters.
    func pack(_ flat: UnsafePointer<Float>) {
        packed.forEachPanel { first, vectors in
            let width = vectors * Kernels.lanes
            let (panel, present) = (memory + first * packed.depth, min(width, lanes - first))
            for piece in pieces {
                let source = flat + piece.source + first * piece.laneStride
                let rows = Rows(base: panel + piece.depth.lowerBound * width, stride: width)
                if piece.laneStride == 1 {
                    for k in 0..<piece.depth.count {
                        rows[k].update(from: source + k * piece.depthStride, count: present)
                    }
                } else {
                    turn(source, piece, into: rows, lanes: present)
                }
            }
        }
    }

    /// Copies a piece whose depth runs along memory, a cache line of each lane at a time.
    private func turn(_ source: UnsafePointer<Float>, _ piece: Piece, into rows: Rows, lanes: Int) {
        let depth = piece.depth.count
        for start in stride(from: 0, to: depth, by: 16) {
            let end = min(start + 16, depth)
            for lane in 0..<lanes {
                let column = source + lane * piece.laneStride
                for k in start..<end { rows[k][lane] = column[k] }
            }
        }
    }
}
