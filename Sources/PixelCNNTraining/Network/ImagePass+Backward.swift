// The backward pass: the derivative of each step of +Forward, in reverse. Gradients of weights are added to a flat
// array laid out as the parameters are, so images add up where they meet.

import CPixelKernels

extension ImagePass {
    /// Adds the gradient of the last image's loss, as `forward` scaled it, to `gradient` (layout.count).
    func backward(into gradient: UnsafeMutablePointer<Float>) {
        outputLayers(gradient)
        for block in (0..<sizes.blocks).reversed() { backward(block, gradient) }
        inputLayer(gradient)
    }

    /// From the gradient of the logits to that of the last block's output, in dH.
    private func outputLayers(_ gradient: UnsafeMutablePointer<Float>) {
        let (channels, colors, hiddenGroup) = (sizes.channels, sizes.colors, sizes.hiddenGroup)
        let (dLogits, dHidden, dH) = (buffers.logits, buffers.dHidden, buffers.dH)
        accumulateBias(layout.logitBias, dLogits, into: gradient)
        clear(dHidden)
        for c in 0..<channels {
            let group = dLogits.shifted(channels: c * colors)
            accumulateGradient(layout.logits[c], buffers.hidden, group, into: gradient)
            accumulate(network.logitsBack[c], group, into: dHidden.shifted(channels: c * hiddenGroup))
        }
        rectifyGradient(of: buffers.hidden, dHidden, channels: sizes.hidden)

        accumulateBias(layout.hiddenBias, dHidden, into: gradient)
        clear(dH)
        for c in 0..<channels {
            let group = dHidden.shifted(channels: c * hiddenGroup)
            accumulateGradient(layout.hidden[c], buffers.horizontal[sizes.blocks], group, into: gradient)
            accumulate(network.hiddenBack[c], group, into: dH.shifted(channels: c * sizes.group))
        }
    }

    /// From the gradients of a block's outputs, in dV and dH, to those of its inputs, in the same place. The inputs of
    /// the first block are one: dV has their sum.
    private func backward(_ block: Int, _ gradient: UnsafeMutablePointer<Float>) {
        if recomputes { computeInner(block) }
        horizontalStack(block, gradient)
        verticalStack(block, gradient)
    }

    private func horizontalStack(_ block: Int, _ gradient: UnsafeMutablePointer<Float>) {
        let (inner, weights, slices) = (inner(block), network.blocks[block], layout.blocks[block])
        let (group, padding, pair) = (sizes.group, sizes.padding, sizes.pair)
        let (dH, dSum, dGate, ds) = (buffers.dH, buffers.dSum, buffers.dGate, buffers.ds)

        normalizeGradient(of: inner.sum, slices.horizontalNorm, dH, into: dSum, gradient)
        clear(dGate)
        for c in 0..<sizes.channels {
            let sum = dSum.shifted(channels: c * group)
            accumulateGradient(slices.projection[c], inner.gated, sum, into: gradient)
            accumulate(weights.projectionBack[c], sum, into: dGate.shifted(channels: c * group))
        }
        for c in 0..<sizes.channels {
            let (s, d) = (inner.s.shifted(channels: c * pair), ds.shifted(channels: c * pair))
            gateGradient(
                of: s, s.shifted(channels: group), dGate.shifted(channels: c * group), into: d,
                d.shifted(channels: group), channels: group)
        }

        for (c, column) in slices.horizontalLabel.enumerated() {
            accumulateBias(column, input: label, ds.shifted(channels: c * pair), into: gradient)
        }
        let left = buffers.horizontal[block].shifted(columns: -padding)
        copy(dSum, to: dH)  // the residual
        accumulate(weights.leftTapsBack, ds.shifted(columns: 1), into: dH)
        for c in 0..<sizes.channels {
            accumulateGradient(slices.horizontal[c], left, ds.shifted(channels: c * pair), into: gradient)
            let seeing = ds.shifted(channels: sizes.firstSeeing(c, block: block) * pair)
            accumulate(weights.centreBack[c], seeing, into: dH.shifted(channels: c * group))
        }
    }

    private func verticalStack(_ block: Int, _ gradient: UnsafeMutablePointer<Float>) {
        let (inner, weights, slices) = (inner(block), network.blocks[block], layout.blocks[block])
        let (filters, padding) = (sizes.filters, sizes.padding)
        let (dV, dH, ds, du) = (buffers.dV, buffers.dH, buffers.ds, buffers.du)
        let (u1, u2) = (inner.u, inner.u.shifted(channels: filters))
        let (du1, du2) = (du, du.shifted(channels: filters))

        if block + 1 < sizes.blocks {
            normalizeGradient(of: inner.vertical, slices.verticalNorm, dV, into: buffers.dSum, gradient)
            gateGradient(of: u1, u2, buffers.dSum, into: du1, du2, channels: filters)
        } else {
            clear(du)
        }
        for c in 0..<sizes.channels {
            let tanhHalf = ds.shifted(channels: c * sizes.pair)
            let sigmoidHalf = tanhHalf.shifted(channels: sizes.group)
            accumulateGradient(slices.toTanh[c], u1, tanhHalf, into: gradient)
            accumulateGradient(slices.toSigmoid[c], u2, sigmoidHalf, into: gradient)
            accumulate(weights.toTanhBack[c], tanhHalf, into: du1)
            accumulate(weights.toSigmoidBack[c], sigmoidHalf, into: du2)
        }
        if let column = slices.verticalLabel { accumulateBias(column, input: label, du, into: gradient) }
        if block == 0 { copy(dH, to: dV) } else { clear(dV) }
        for row in weights.verticalBack.indices {
            let v = buffers.vertical[block].shifted(rows: row - padding, columns: -padding)
            accumulateGradient(slices.vertical[row], v, du, into: gradient)
            accumulate(weights.verticalBack[row], du.shifted(rows: padding - row, columns: -padding), into: dV)
        }
    }

    private func inputLayer(_ gradient: UnsafeMutablePointer<Float>) {
        let dV = buffers.dV
        rectifyGradient(of: buffers.vertical[0], dV, channels: sizes.filters)
        accumulateBias(layout.inputBias, dV, into: gradient)
        for c in 0..<sizes.channels {
            accumulateGradient(
                layout.input[c], buffers.patches, dV.shifted(channels: c * sizes.group), into: gradient)
        }
    }

    // MARK: - Elementwise kernels over the rows of an image

    private func rectifyGradient(of y: Grid, _ dy: Grid, channels: Int) {
        for row in 0..<sizes.height {
            kernels.training.pointee.rectify_gradient(
                y.row(row), y.stride, dy.row(row), dy.stride, dy.row(row), dy.stride, channels, sizes.width)
        }
    }

    private func gateGradient(of a: Grid, _ b: Grid, _ dy: Grid, into da: Grid, _ db: Grid, channels: Int) {
        for row in 0..<sizes.height {
            kernels.training.pointee.gate_gradient(
                a.row(row), b.row(row), a.stride, dy.row(row), dy.stride, da.row(row), db.row(row), da.stride, channels,
                sizes.width)
        }
    }

    private func normalizeGradient(
        of x: Grid, _ norm: ParameterLayout.Norm, _ dy: Grid, into dx: Grid, _ gradient: UnsafeMutablePointer<Float>
    ) {
        for c in 0..<sizes.channels {
            let channels = c * sizes.group
            let (x, dy, dx) = (
                x.shifted(channels: channels), dy.shifted(channels: channels), dx.shifted(channels: channels)
            )
            for row in 0..<sizes.height {
                kernels.training.pointee.normalize_gradient(
                    x.row(row), x.stride, flat + norm.weight.offset, dy.row(row), dy.stride, dx.row(row), dx.stride,
                    gradient + norm.weight.offset, gradient + norm.bias.offset, sizes.group, sizes.width)
            }
        }
    }
}
