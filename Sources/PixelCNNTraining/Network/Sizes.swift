// The sizes that the training pass shares, derived once from the hyperparameters. Strides are exact where a product
// reads (so that the taps of a row lie side by side, and no patch is ever copied), and have room for whole vectors
// where a product writes.

import PixelCNNModel

struct Sizes {
    let channels, height, width: Int  // C, H, W
    let colors, blocks, filters: Int  // d, L, F
    let kernel, padding: Int  // k, p = k / 2
    let group: Int  // g = F / C
    let hidden, hiddenGroup: Int  // hidden, hidden / C
    let labels: Int  // classes, 0 where the network is unconditional

    /// A colour group's tanh half and sigmoid half, 2g, in whole vectors.
    let pair: Int
    /// Of a position's pairs: C · pair.
    let pairs: Int
    /// Of a position's vertical preactivations, 2F in whole vectors.
    let preactivations: Int
    /// Of features that products write: F, and whole vectors from every colour group on.
    let features: Int
    /// Of the hidden layer, likewise.
    let hiddenRoom: Int
    /// Of the logits, likewise.
    let logits: Int
    /// Values of the three rows above and the three pixels left that every colour group of `in_conv` sees.
    let patchContext: Int
    /// The context and the pixel's own channels, of which group c sees the first c.
    var patch: Int { patchContext + channels }

    /// H · W.
    var positions: Int { height * width }

    /// Kernel rows of a block's vertical convolution.
    func kernelRows(_ block: Int) -> Int { block == 0 ? padding : padding + 1 }

    /// Inputs of colour group `c` of a block's horizontal convolution: p columns to the left, and of the pixel itself
    /// the groups < c in the first block (type A), ≤ c in all others (type B).
    func horizontalInputs(_ block: Int, _ c: Int) -> Int { padding * filters + (block == 0 ? c : c + 1) * group }

    init(_ h: Hyperparameters) {
        (channels, height, width) = (h.channels, h.height, h.width)
        (colors, blocks, filters) = (h.colors, h.blocks, h.filters)
        (kernel, padding, group) = (h.kernelSize, h.padding, h.groupSize)
        (hidden, hiddenGroup) = (h.hidden, h.hidden / h.channels)
        labels = h.labels
        pair = (2 * h.groupSize).inWholeVectors
        pairs = h.channels * pair
        preactivations = (2 * h.filters).inWholeVectors
        func room(_ group: Int) -> Int {
            max((h.channels - 1) * group + group.inWholeVectors, (h.channels * group).inWholeVectors)
        }
        features = room(h.groupSize)
        hiddenRoom = room(hiddenGroup)
        logits = room(h.colors)
        let reach = Hyperparameters.inputKernelSize / 2
        patchContext = reach * (Hyperparameters.inputKernelSize + 1) * h.channels
    }

    /// That there are classes where the network is conditional, one for each image, and only there.
    func check(_ labels: [Int], images count: Int) {
        precondition(labels.count == (self.labels > 0 ? count : 0), "a class for each image of a conditional network")
        precondition(labels.allSatisfy { (0..<self.labels).contains($0) }, "classes that the network has")
    }
}
