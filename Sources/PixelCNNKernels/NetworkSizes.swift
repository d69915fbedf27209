// The sizes that the engine and training share, derived once from the hyperparameters. Strides are exact where a
// product reads, so that the taps of a row lie side by side, and have room for whole vectors where a product writes.

import PixelCNNModel

/// Sizes in floats, by the names of docs/MODEL.md.
package struct NetworkSizes: Sendable {
    package let channels: Int  // C
    package let height, width: Int  // H, W of training; the engine's images may have others
    package let colors: Int  // d
    package let blocks: Int  // L
    package let filters: Int  // F
    package let kernelSize: Int  // k
    package let padding: Int  // p = k / 2
    package let group: Int  // g = F / C
    package let hidden: Int
    package let hiddenGroup: Int  // hidden / C
    package let labels: Int  // classes, 0 where the network is unconditional

    /// A group's tanh half and sigmoid half, 2g, in whole vectors.
    package let pair: Int
    /// Of a position's pairs: C · pair.
    package let pairs: Int
    /// Of a position's vertical pre-activations: 2F in whole vectors.
    package let preactivations: Int
    /// Of features that products write group by group: F, and whole vectors from every colour group on.
    package let featureRoom: Int
    /// Values of the three rows above and the three pixels left, which every colour group of `in_conv` sees.
    package let patchContext: Int
    /// The context, and the pixel's own channels, of which group c sees the first c.
    package let patchCount: Int

    /// The 7 × 7 input kernel reaches this far.
    package static let inputReach = Hyperparameters.inputKernelSize / 2

    package init(_ hyperparameters: Hyperparameters) {
        channels = hyperparameters.channels
        height = hyperparameters.height
        width = hyperparameters.width
        colors = hyperparameters.colors
        blocks = hyperparameters.blocks
        filters = hyperparameters.filters
        kernelSize = hyperparameters.kernelSize
        padding = hyperparameters.padding
        group = hyperparameters.groupSize
        hidden = hyperparameters.hidden
        hiddenGroup = hyperparameters.hidden / hyperparameters.channels
        labels = hyperparameters.labels
        pair = (2 * group).roundedUpToLanes
        pairs = channels * pair
        preactivations = (2 * filters).roundedUpToLanes
        featureRoom = Self.room(group, groups: channels)
        patchContext = Self.inputReach * (Hyperparameters.inputKernelSize + 1) * channels
        patchCount = patchContext + channels
    }

    /// Room for `groups` groups of `group` floats, and for whole vectors of what is left from each group on.
    package static func room(_ group: Int, groups: Int) -> Int {
        (0..<groups).map { $0 * group + ((groups - $0) * group).roundedUpToLanes }.max() ?? 0
    }

    /// Kernel rows of a block's vertical convolution: the first block's, of type A, does not see the row itself.
    package func kernelRows(_ block: Int) -> Int { block == 0 ? padding : padding + 1 }

    /// Inputs of colour group `c` of a block's horizontal convolution: p columns to the left, and of the pixel itself
    /// the groups < c in the first block (type A), ≤ c in all others (type B).
    package func horizontalInputs(_ block: Int, _ c: Int) -> Int {
        padding * filters + (block == 0 ? c : c + 1) * group
    }

    /// The first colour group whose horizontal convolution sees group `j` at its own pixel.
    package func firstSeeing(_ j: Int, block: Int) -> Int { block == 0 ? j + 1 : j }

    /// c = (d − 1) / 2; values v become (v − c) / c.
    package var centre: Float { Float(colors - 1) / 2 }

    /// What the network reads for each value, (d).
    package var normalizedValues: [Float] { (0..<colors).map { (Float($0) - centre) / centre } }
}
