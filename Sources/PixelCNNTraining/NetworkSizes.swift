// The sizes of a network that is trained, as its description has them. Strides are exact where a
// product reads, so that the taps of a row lie side by side, and have room for whole vectors where a product writes.

import PixelCNNKernels
import PixelCNNModel

/// Sizes in floats, by the names of docs/MODEL.md.
struct NetworkSizes: Sendable {
    let height, width: Int  // H, W of training; the engine's images may have others
    let channels: Int  // C
    let colors: Int  // d
    let labels: Int  // classes, 0 where the network is unconditional
    let blocks: Int  // L
    let filters: Int  // F
    let group: Int  // g = F / C
    let hidden: Int
    let hiddenGroup: Int  // hidden / C
    let padding: Int  // p of the largest kernel of the blocks: rows and columns around an image

    /// What the features take, in whole vectors: a group's pair, all groups' pairs, all features.
    let pair, pairs, featureRoom: Int
    /// Of a position's vertical pre-activations: 2F in whole vectors.
    let preactivations: Int
    /// Of a position's hidden layer and logits: whole vectors from every colour group on.
    let hiddenRoom, logitRoom: Int

    /// What `in_conv` sees, the pixel itself last, of which group c sees the first c channels; empty where values are
    /// rows of a table.
    let patch: [Convolution.Tap]
    /// Values that it sees, all of the pixel's own among them.
    let patchCount: Int
    /// What the network reads for each value, (d), likewise.
    let scaledValues: [Float]

    /// Whether what goes into every block's link has the class's row in it.
    let linksSeeLabels: Bool

    /// H · W.
    var positions: Int { height * width }

    init(_ model: Model) {
        let network = model.description
        let first = network.firstLayer
        height = model.hyperparameters.height
        width = model.hyperparameters.width
        channels = network.channels
        colors = network.colors
        labels = network.labels
        blocks = network.blocks.count
        let features = network.features
        filters = features.channels
        group = features.largest
        let layers = network.head.layers.map { $0.outputs.groups(features.count) }
        hidden = layers[0].channels
        hiddenGroup = layers[0].largest
        hiddenRoom = layers[0].room
        logitRoom = layers[1].room
        padding = network.blocks.map(\.vertical.columnReach).max() ?? 0
        (pair, pairs, featureRoom) = (features.pair, features.pairs, features.room)
        preactivations = (2 * filters).roundedUpToLanes
        patch = first?.taps ?? []
        patchCount = first.map { $0.context + network.channels } ?? 0
        scaledValues = network.scaledValues
        linksSeeLabels = network.blocks.allSatisfy { $0.linkSource == .sum || $0.verticalLabel == nil }
    }

    /// That there are classes where the network is conditional, one for each image, and only there.
    func check(_ labels: [Int], images count: Int) {
        precondition(labels.count == (self.labels > 0 ? count : 0), "a class for each image of a conditional network")
        precondition(labels.allSatisfy { (0..<self.labels).contains($0) }, "classes that the network has")
    }
}

extension Network {
    /// Whether it can be trained here, and its gradients computed.
    package var isTrained: Bool { self == .original || self == .vqvaePrior }
}

extension NetworkDescription {
    /// The convolution that both stacks of the original's network start from; nil where they start from a table.
    var firstLayer: Convolution? {
        switch (stem, input) {
        case (.shared(let layer, .relu, label: nil), _): layer
        case (.none, .table): nil
        default: preconditionFailure("a network that is trained here")
        }
    }
}
