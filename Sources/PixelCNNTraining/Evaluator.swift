// How well a model predicts images: its forward pass over each of them, on all threads. Keeps one block's activations.

import PixelCNNKernels
import PixelCNNModel

/// Scores images with one model.
package final class Evaluator {
    private let sizes: NetworkSizes
    private let arena: Arena  // owns the weights
    let passes: [ImagePass]
    private let team: Team

    /// Packs the model's weights for `threads` threads.
    package init(model: Model, threads: Int) {
        precondition(threads > 0)
        let (sizes, kernels) = (NetworkSizes(model), Kernels.fastest)
        let layout = ParameterLayout(model.description)
        let (arena, (flat, network)) = Arena.fitting { arena in
            (arena.floats(layout.count), PackedNetwork(arena, kernels: kernels, sizes: sizes, layout: layout))
        }
        layout.read(model, into: flat)
        (self.sizes, self.arena, team) = (sizes, arena, Team(threads: threads))
        let matrices = network.matrices
        team.run(matrices.count) { matrices[$1].pack(flat) }
        passes = (0..<threads).map { _ in
            ImagePass(sizes: sizes, kernels: kernels, layout: layout, network: network, flat: flat, recomputes: true)
        }
    }

    /// Scores images of the model's size, quantised to its colours, with the classes of a conditional model.
    package func evaluate(_ images: ImageSet) -> Evaluation {
        precondition((images.channels, images.height, images.width) == (sizes.channels, sizes.height, sizes.width))
        var losses: [[Double]] = []
        for start in stride(from: 0, to: images.count, by: 256) {
            let batch = start..<min(start + 256, images.count)
            losses += passes.losses(images.batch(batch), sizes.labels > 0 ? images.labels(batch) : [], team)
        }
        return Evaluation(losses: losses, positions: sizes.positions, labels: images.labels)
    }
}

extension [ImagePass] {
    /// Sums of −ln p of each image (N, C, H, W), with their classes (N) where the network is conditional, one per
    /// colour channel, in nats: (N, C). A pass for each thread.
    func losses(_ images: [UInt16], _ labels: [Int], _ team: Team) -> [[Double]] {
        let size = self[0].sizes.channels * self[0].sizes.positions
        let count = images.count / size
        self[0].sizes.check(labels, images: count)
        var losses = [[Double]](repeating: [], count: count)
        images.withUnsafeBufferPointer { images in
            losses.withUnsafeMutableBufferPointer { losses in
                guard let images = images.baseAddress, let losses = losses.baseAddress else { return }
                team.run(count) { worker, image in
                    _ = self[worker].forward(
                        images + image * size, label: labels.isEmpty ? 0 : labels[image], scale: 1)
                    losses[image] = self[worker].channelLosses
                }
            }
        }
        return losses
    }
}

/// What a model predicts of some images, in nats per value.
package struct Evaluation: Sendable {
    /// A mean over images, and how uncertain so many images leave it.
    package struct Mean: Sendable {
        package let nats: Double
        /// Standard error of `nats`; NaN for one image.
        package let standardError: Double

        /// Of the images' means; `nats` is what they come to, where that is known.
        init(_ values: [Double], nats: Double? = nil) {
            let mean = values.reduce(0, +) / Double(values.count)
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            self.nats = nats ?? mean
            standardError = (squares / Double(values.count - 1) / Double(values.count)).squareRoot()
        }
    }
    package let images: Int
    /// Over all values.
    package let mean: Mean
    /// Over the values of each colour channel.
    package let channels: [Mean]
    /// Over the values of the images of each class that has any, in order, where classes are known.
    package let classes: [(label: Int, images: Int, mean: Mean)]

    init(losses: [[Double]], positions: Int, labels: Labels?) {
        images = losses.count
        let count = losses.first?.count ?? 0
        let means = losses.map { $0.reduce(0, +) / Double(positions * count) }
        mean = Mean(means)
        channels = (0..<count).map { c in Mean(losses.map { $0[c] / Double(positions) }) }
        let members = Dictionary(grouping: zip(labels?.values ?? [], means)) { $0.0 }.sorted { $0.key < $1.key }
        classes = members.map { (label: $0.key, images: $0.value.count, mean: Mean($0.value.map(\.1))) }
    }
}
