// Models made in memory, for tests that need no file: small enough for the portable kernels.

import PixelCNNModel

/// A random generator that gives the same numbers in every run.
package struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    /// Starts at `seed`.
    package init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Sizes that no kernel likes: nothing is a multiple of 16, or of anything else.
package enum SmallModels {
    /// Colour, gray and two-channel models, several kernel sizes, d from 2 to 300.
    package static let all: [(name: String, model: Model)] = [
        (
            "colour",
            make(channels: 3, height: 5, width: 4, colors: 20, blocks: 3, filters: 9, kernelSize: 3, hidden: 21)
        ),
        ("gray", make(channels: 1, height: 6, width: 5, colors: 2, blocks: 2, filters: 7, kernelSize: 3, hidden: 10)),
        ("wide", make(channels: 3, height: 4, width: 6, colors: 33, blocks: 2, filters: 18, kernelSize: 7, hidden: 12)),
        (
            "two",
            make(
                channels: 2, height: 3, width: 7, colors: 300, blocks: 1, filters: 40, kernelSize: 5, hidden: 34,
                spread: 1)
        ),
    ]

    /// Class-conditional ones, with Winograd's F(2, 3) and without.
    package static let conditional: [(name: String, model: Model)] = [
        (
            "conditional colour",
            make(
                channels: 3, height: 5, width: 4, colors: 20, blocks: 3, filters: 9, kernelSize: 3, hidden: 21,
                labels: 5)
        ),
        (
            "conditional gray",
            make(
                channels: 1, height: 4, width: 7, colors: 17, blocks: 2, filters: 19, kernelSize: 5, hidden: 10,
                labels: 3)
        ),
    ]

    /// The first of all.
    package static var colour: Model { all[0].model }

    /// A random model whose distributions are far from uniform.
    package static func make(
        channels: Int, height: Int, width: Int, colors: Int, blocks: Int, filters: Int, kernelSize: Int, hidden: Int,
        labels: Int = 0, spread: Float = 2
    ) -> Model {
        do {
            let hyperparameters = try Hyperparameters(
                channels: channels, height: height, width: width, colors: colors, blocks: blocks, filters: filters,
                kernelSize: kernelSize, hidden: hidden, labels: labels)
            return Model.random(hyperparameters, seed: 7, scale: spread)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// Random values 0 … d − 1 of an image of the model's size, (C, H, W).
    package static func image(for model: Model, seed: UInt64) -> [UInt16] {
        let h = model.hyperparameters
        var generator = SplitMix(seed: seed)
        return (0..<h.channels * h.height * h.width).map { _ in
            UInt16.random(in: 0..<UInt16(h.colors), using: &generator)
        }
    }
}
