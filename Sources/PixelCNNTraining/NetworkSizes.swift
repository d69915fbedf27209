// The sizes of the original's network, derived once from the hyperparameters. Strides are exact where a
// product reads, so that the taps of a row lie side by side, and have room for whole vectors where a product writes.

import PixelCNNKernels
import PixelCNNModel

/// Sizes in floats, by the names of docs/MODEL.md.
struct NetworkSizes: Sendable {
    let channels: Int  // C
    let height, width: Int  // H, W of training; the engine's images may have others
    let colors: Int  // d
    let blocks: Int  // L
    let filters: Int  // F
    let kernelSize: Int  // k
    let padding: Int  // p = k / 2
    let group: Int  // g = F / C
    let hidden: Int
    let hiddenGroup: Int  // hidden / C
    let labels: Int  // classes, 0 where the network is unconditional

    /// A group's tanh half and sigmoid half, 2g, in whole vectors.
    let pair: Int
    /// Of a position's pairs: C · pair.
    let pairs: Int
    /// Of a position's vertical pre-activations: 2F in whole vectors.
    let preactivations: Int
    /// Of features that products write group by group: F, and whole vectors from every colour group on.
    let featureRoom: Int
    /// Values of the three rows above and the three pixels left, which every colour group of `in_conv` sees.
    let patchContext: Int
    /// The context, and the pixel's own channels, of which group c sees the first c.
    let patchCount: Int

    /// The 7 × 7 input kernel reaches this far.
    static let inputReach = Hyperparameters.inputKernelSize / 2

    init(_ hyperparameters: Hyperparameters) {
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
    static func room(_ group: Int, groups: Int) -> Int {
        (0..<groups).map { $0 * group + ((groups - $0) * group).roundedUpToLanes }.max() ?? 0
    }

    /// Kernel rows of a block's vertical convolution: the first block's, of type A, does not see the row itself.
    func kernelRows(_ block: Int) -> Int { block == 0 ? padding : padding + 1 }

    /// Inputs of colour group `c` of a block's horizontal convolution: p columns to the left, and of the pixel itself
    /// the groups < c in the first block (type A), ≤ c in all others (type B).
    func horizontalInputs(_ block: Int, _ c: Int) -> Int {
        padding * filters + (block == 0 ? c : c + 1) * group
    }

    /// The first colour group whose horizontal convolution sees group `j` at its own pixel.
    func firstSeeing(_ j: Int, block: Int) -> Int { block == 0 ? j + 1 : j }

    /// c = (d − 1) / 2; values v become (v − c) / c.
    var centre: Float { Float(colors - 1) / 2 }

    /// What the network reads for each value, (d).
    var normalizedValues: [Float] { (0..<colors).map { (Float($0) - centre) / centre } }
}
