// The sizes that every part of the engine shares, derived once from the hyperparameters.

import PixelCNNModel

/// Sizes in floats, by the names of the network's description.
struct Geometry: Sendable {
    let channels: Int  // C
    let colors: Int  // d
    let blocks: Int  // L
    let filters: Int  // F
    let kernelSize: Int  // k
    let padding: Int  // p = k / 2
    let group: Int  // g = F / C
    let hidden: Int
    let hiddenGroup: Int  // hidden / C

    /// A group's tanh half and sigmoid half, 2g, in whole vectors.
    let pair: Int
    /// Room for each half of what the vertical stack hands to the horizontal one: F, and whole vectors from every
    /// colour group on, since each group's product starts there.
    let half: Int

    /// The 7 × 7 input kernel reaches this far.
    static let inputReach = 3

    init(_ hyperparameters: Hyperparameters) {
        channels = hyperparameters.channels
        colors = hyperparameters.colors
        blocks = hyperparameters.blocks
        filters = hyperparameters.filters
        kernelSize = hyperparameters.kernelSize
        padding = hyperparameters.padding
        group = hyperparameters.groupSize
        hidden = hyperparameters.hidden
        hiddenGroup = hyperparameters.hidden / hyperparameters.channels
        pair = (2 * group).roundedUpToLanes
        half =
            (0..<channels).map { [filters, group] j in j * group + (filters - j * group).roundedUpToLanes }.max() ?? 0
    }

    /// Values of the three rows above and the three pixels left, which every colour group of `in_conv` sees.
    var patchContext: Int { (7 * Geometry.inputReach + Geometry.inputReach) * channels }

    /// The context, and the pixel's own channels, of which group c sees the first c.
    var patchCount: Int { patchContext + channels }

    /// Of the p·F inputs left of a pixel, farthest column first, those that are known with the nearest pixel's group c.
    func leftInputs(_ c: Int) -> Range<Int> {
        let nearest = (padding - 1) * filters
        return (c == 0 ? 0 : nearest + c * group)..<nearest + (c + 1) * group
    }

    /// Whether the vertical convolutions use Winograd's F(2, 3), which a window of three columns allows: two thirds of
    /// the multiply-adds, and an error no larger.
    var usesWinograd: Bool { kernelSize == 3 }

    /// Rows of each block's vertical input that are kept: the current one and the p above.
    var keptRows: Int { padding + 1 }
}
