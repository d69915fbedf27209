// The forward pass: docs/MODEL.md from top to bottom, on channels-last grids.

import CPixelKernels

extension ImagePass {
    /// The mean of −ln p over the values of an image (C, H, W) of a class, and in `buffers.logits` the gradient of
    /// `scale` × their sum.
    func forward(_ image: UnsafePointer<UInt16>, label: Int, scale: Float) -> Double {
        self.label = label
        inputLayer(image)
        for block in 0..<sizes.blocks { forward(block) }
        outputLayers()
        return crossEntropy(image, scale: scale)
    }

    /// Sums of −ln p of the last image, one a colour channel, in nats.
    var channelLosses: [Double] {
        (0..<sizes.channels).map { c in
            (0..<sizes.positions).reduce(0) { $0 + buffers.losses[c * sizes.positions + $1] }
        }
    }

    /// `in_conv`: the patches, one product for each colour group, and ReLU.
    private func inputLayer(_ image: UnsafePointer<UInt16>) {
        gatherPatches(image)
        let sum = buffers.dH  // free during the forward pass
        fill(sum, with: flat + layout.inputBias.offset, count: sizes.filters)
        for c in 0..<sizes.channels {
            accumulate(network.input[c], buffers.patches, into: sum.shifted(channels: c * sizes.group))
        }
        rectify(sum, into: buffers.horizontal[0], channels: sizes.filters)
    }

    /// One gated block, up to the inputs of the next.
    private func forward(_ block: Int) {
        computeInner(block)
        let (inner, slices) = (inner(block), layout.blocks[block])
        normalize(inner.sum, slices.horizontalNorm, into: buffers.horizontal[block + 1])
        if block + 1 < sizes.blocks {  // the last block's vertical output feeds nothing
            normalize(inner.vertical, slices.verticalNorm, into: buffers.vertical[block + 1])
        }
    }

    /// The inner activations of a block from its inputs.
    func computeInner(_ block: Int) {
        let (inner, weights, slices) = (inner(block), network.blocks[block], layout.blocks[block])
        let (v, h) = (buffers.vertical[block], buffers.horizontal[block])
        let (filters, group, padding, pair) = (sizes.filters, sizes.group, sizes.padding, sizes.pair)

        if let column = slices.verticalLabel {
            fill(inner.u, with: flat + column.row(label), count: 2 * filters)
        } else {
            clear(inner.u)
        }
        for (row, matrix) in weights.vertical.enumerated() {
            accumulate(matrix, v.shifted(rows: row - padding, columns: -padding), into: inner.u)
        }
        gate(inner.u, inner.u.shifted(channels: filters), into: inner.vertical, channels: filters)

        if slices.horizontalLabel.isEmpty { clear(inner.s) }
        for (c, column) in slices.horizontalLabel.enumerated() {
            fill(inner.s.shifted(channels: c * pair), with: flat + column.row(label), count: 2 * group, room: pair)
        }
        for c in 0..<sizes.channels {
            let s = inner.s.shifted(channels: c * pair)
            accumulate(weights.horizontal[c], h.shifted(columns: -padding), into: s)
            accumulate(weights.toTanh[c], inner.u, into: s)
            accumulate(weights.toSigmoid[c], inner.u.shifted(channels: filters), into: s.shifted(channels: group))
        }
        for c in 0..<sizes.channels {
            let s = inner.s.shifted(channels: c * pair)
            gate(s, s.shifted(channels: group), into: inner.gated.shifted(channels: c * group), channels: group)
        }
        copy(h, to: inner.sum)
        for c in 0..<sizes.channels {
            accumulate(weights.projection[c], inner.gated, into: inner.sum.shifted(channels: c * group))
        }
    }

    private func outputLayers() {
        let (hidden, logits) = (buffers.hidden, buffers.logits)
        fill(hidden, with: flat + layout.hiddenBias.offset, count: sizes.hidden)
        for c in 0..<sizes.channels {
            let group = hidden.shifted(channels: c * sizes.hiddenGroup)
            accumulate(network.hidden[c], buffers.horizontal[sizes.blocks], into: group)
        }
        rectify(hidden, into: hidden, channels: sizes.hidden)
        fill(logits, with: flat + layout.logitBias.offset, count: sizes.channels * sizes.colors)
        for c in 0..<sizes.channels {
            accumulate(network.logits[c], hidden, into: logits.shifted(channels: c * sizes.colors))
        }
    }

    private func crossEntropy(_ image: UnsafePointer<UInt16>, scale: Float) -> Double {
        for c in 0..<sizes.channels {
            kernels.training.pointee.cross_entropy(
                buffers.logits.base + c * sizes.colors, sizes.logits, image + c * sizes.positions, 1, scale,
                buffers.losses + c * sizes.positions, sizes.colors, sizes.positions)
        }
        return channelLosses.reduce(0, +) / Double(sizes.channels * sizes.positions)
    }

    /// For each position the three rows above and the three pixels left of it, then the pixel itself, channels
    /// innermost, values brought to −1 … 1; zeros outside the image.
    private func gatherPatches(_ image: UnsafePointer<UInt16>) {
        let (height, width, channels) = (sizes.height, sizes.width, sizes.channels)
        let centre = Float(sizes.colors - 1) / 2
        let taps = sizes.patch / channels
        for row in 0..<height {
            for column in 0..<width {
                var next = buffers.patches.row(row) + column * sizes.patch
                for tap in 0..<taps {
                    let (r, c) = (row + tap / 7 - 3, column + tap % 7 - 3)
                    let inside = r >= 0 && c >= 0 && c < width
                    for channel in 0..<channels {
                        next[channel] =
                            inside ? (Float(image[channel * sizes.positions + r * width + c]) - centre) / centre : 0
                    }
                    next += channels
                }
            }
        }
    }

    // MARK: - Elementwise kernels over the rows of an image

    private func gate(_ a: Grid, _ b: Grid, into y: Grid, channels: Int) {
        for row in 0..<sizes.height {
            kernels.network.pointee.gate(
                a.row(row), b.row(row), a.stride, y.row(row), y.stride, channels, sizes.width)
        }
    }

    private func rectify(_ x: Grid, into y: Grid, channels: Int) {
        for row in 0..<sizes.height {
            kernels.network.pointee.rectify(x.row(row), x.stride, y.row(row), y.stride, channels, sizes.width)
        }
    }

    private func normalize(_ x: Grid, _ norm: ParameterLayout.Norm, into y: Grid) {
        for c in 0..<sizes.channels {
            let (x, y) = (x.shifted(channels: c * sizes.group), y.shifted(channels: c * sizes.group))
            for row in 0..<sizes.height {
                kernels.network.pointee.normalize(
                    x.row(row), x.stride, flat + norm.weight.offset, flat + norm.bias.offset, y.row(row), y.stride,
                    sizes.group, sizes.width)
            }
        }
    }
}
