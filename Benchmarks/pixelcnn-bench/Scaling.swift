// How time grows with the image and the network: one size changes at a time, the others are the published ones. And the
// networks of the bundled models.

import PixelCNNEngine
import PixelCNNKernels
import PixelCNNModel

/// One network and image size, in one precision.
struct ScalingResult: Encodable {
    let precision: String
    let channels: Int
    let size: Int
    let filters: Int
    let blocks: Int
    let flopPerImage: Double
    let oneImage: SampleRunResult
    let manyImages: SampleRunResult
}

func measureScaling(_ plan: Plan, cores: Int) throws -> [ScalingResult] {
    let networks =
        try plan.sizes.map { try Hyperparameters(height: $0, width: $0) }
        + plan.filters.map { try Hyperparameters(filters: $0) } + plan.blocks.map { try Hyperparameters(blocks: $0) }
        + [
            Hyperparameters(channels: 1, height: 28, width: 28, colors: 8, blocks: 12, filters: 40),
            Hyperparameters(blocks: 10, filters: 96),
        ]
    return networks.flatMap { network in
        let model = Model.random(network, seed: 1)
        return Precision.allCases.map { measureScaling(Engine(model: model, precision: $0), plan, cores: cores) }
    }
}

private func measureScaling(_ engine: Engine, _ plan: Plan, cores: Int) -> ScalingResult {
    let network = engine.hyperparameters
    func time(_ images: Int, _ threads: Int) -> SampleRunResult {
        SampleRun(engine: engine, size: network.height, images: images, threads: threads)
            .measured(runs: 3, limit: plan.limit / 2)
    }
    report(
        "\(network.channels) x \(network.height) x \(network.width), \(network.filters) filters, "
            + "\(network.blocks) blocks, \(engine.precision.rawValue)")
    return ScalingResult(
        precision: engine.precision.rawValue, channels: network.channels, size: network.height,
        filters: network.filters, blocks: network.blocks, flopPerImage: network.flopPerImage,
        oneImage: time(1, min(cores, 2)), manyImages: time(plan.scalingImages, cores))
}
